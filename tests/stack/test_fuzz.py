"""The deployed stack, fuzzed against docs/openapi.yaml by schemathesis. `make fuzz` looks longer."""

import json
import os
import subprocess

from local.logs import function_logs
from local.stack import Stack, client_environment
from tests.openapi import DOCUMENT
from tests.support import PROJECT, SandboxClient

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
SEED = [] if "FUZZ_EXAMPLES" in os.environ else ["--seed", "1", "--generation-deterministic"]
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
]


def test_every_answer_is_as_described(stack: Stack, sandbox: SandboxClient):
    """No 5xx, no undocumented status, header or body, and never without a key; within the time API Gateway waits."""
    refusal = {"info": "Unable to submit data ingestion request, XDM Mapping ID: 42 is not stopped", "status": "Failed"}
    sandbox.fault(on="ingest", status=200, body=refusal)  # or every id that is made up would start an execution
    document = json.loads(json.dumps(DOCUMENT))  # foreign organizations, of which most would be, end at the door
    document["components"]["parameters"]["organization"]["schema"] = {"enum": [stack.organization]}
    file = stack.logs / "openapi.json"
    file.write_text(json.dumps(document))

    result = subprocess.run(
        [
            PROJECT / ".venv/bin/schemathesis", "run", file,
            "--url", stack.api_url,
            "--header", f"x-api-key: {stack.api_key}",
            "--checks", ",".join(CHECKS),
            "--phases", "examples,coverage,fuzzing",
            "--max-examples", str(EXAMPLES),
            "--max-response-time", "29",
            "--no-color",
            "--warnings", "off",
            *SEED,
        ],
        cwd=stack.logs, env=client_environment(stack.aws_endpoint_url, stack.logs), capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout[-8000:] + result.stderr
    assert [line for line in function_logs(stack.aws_endpoint_url) if "Traceback" in line] == []
