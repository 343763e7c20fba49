"""`make start`: the stack, up until Ctrl-C, and how to use it."""

import json
import time

import requests

from local.process import LocalError
from local.stack import PROJECT, REGION, STACK_NAME, WORKSPACE, Stack, say, stack

STACK_FILE = WORKSPACE / "stack.json"

_EVENT = {
    "xdm": {
        "identityMap": {"FPID": [{"id": "79bf8e83-f708-414b-b1ed-5789ff33bf0b", "primary": True}]},
        "eventType": "web.webpagedetails.pageViews",
        "timestamp": "2021-08-09T14:09:20.859Z",
    }
}


def run() -> int:
    if _is_running():
        raise LocalError("Another `make start` is running here; stop it first, or use another checkout.")
    with stack() as running:
        new = STACK_FILE.with_suffix(".new")
        new.write_text(json.dumps(running.as_json(), indent=2) + "\n")
        new.replace(STACK_FILE)  # whoever waits for the file never reads half of it
        try:
            say(_guide(running))
            while running.is_alive():
                time.sleep(1)
            raise LocalError(f"A server ended unexpectedly; the logs are in {running.logs.relative_to(PROJECT)}.")
        finally:
            STACK_FILE.unlink(missing_ok=True)
            say("Stopping")


def _is_running() -> bool:
    """Whether the stack that the file tells of is up."""
    try:
        url = json.loads(STACK_FILE.read_text())["aws_endpoint_url"]
        return requests.get(f"{url}/_ministack/health", timeout=2).ok
    except (OSError, ValueError, KeyError):  # an error of requests is an OSError
        return False


def _guide(running: Stack) -> str:
    lines = [
        "",
        "Ready.",
        f"  endpoint  {running.api_url}",
        f"  API key   {running.api_key}",
        f"  logs      {running.logs.relative_to(PROJECT)}; of the functions: make logs",
        f"  all of it {STACK_FILE.relative_to(PROJECT)}",
        "",
        "Send a batch:",
        f'  curl -i --retry 5 -X POST "{running.api_url}/ee/v2/collect?dataStreamId=my-datastream" \\',
        f'    -H "x-api-key: {running.api_key}" -H "Content-Type: application/json" \\',
        f"    -d '{json.dumps({'events': [_EVENT]})}'",
    ]
    ingest = f"{running.api_url}/{running.organization}/campaign/dataIngestion/xdmIngestion/42/ingest"
    lines += [
        "",
        "Start an ingestion of mapping 42, and ask how it stands (with the requestId that the first answers):",
        f'  curl -i --retry 5 -X POST "{ingest}" -H "x-api-key: {running.api_key}"',
        f'  curl -i --retry 5 "{ingest}?requestId=3520" -H "x-api-key: {running.api_key}"',
        "",
        "See what Adobe will never take (dead letters):",
        f"  AWS_ENDPOINT_URL={running.aws_endpoint_url} AWS_DEFAULT_REGION={REGION} AWS_ACCESS_KEY_ID=test \\",
        f"    AWS_SECRET_ACCESS_KEY=test STACK_NAME={STACK_NAME} .venv/bin/python -m tools.dead_letters list",
    ]
    if running.is_adobe_the_sandbox:
        lines += [
            "",
            "See what Adobe received:",
            f"  curl {running.adobe_url}/_sandbox/collected",
            "Take Adobe down, and bring it back:",
            f"""  curl -X POST {running.adobe_url}/_sandbox/faults -d '{{"on": "*", "status": 503}}'""",
            f"  curl -X DELETE {running.adobe_url}/_sandbox/faults",
        ]
    return "\n".join([*lines, "", "Ctrl-C stops everything."])
