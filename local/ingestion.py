"""An execution of the ingestion workflow, shown as it happens."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.process import LocalError, wait_until
from local.stack import Stack, client, say


def watch(running: Stack, content: Mapping[str, Any]) -> str:
    """Start an execution with this input, say what its states do, and return how it ended."""
    sfn = client("stepfunctions", running.aws_endpoint_url)
    text = json.dumps(content)
    say(f"Started with {text}")
    arn = sfn.start_execution(stateMachineArn=running.state_machine_arn, input=text)["executionArn"]
    told: set[int] = set()

    def is_over() -> bool:
        status = sfn.describe_execution(executionArn=arn)["status"]
        for event in sfn.get_execution_history(executionArn=arn)["events"]:
            if event["id"] not in told:
                told.add(event["id"])
                for line in _describe(event):
                    say(f"  {line}")
        return bool(status != "RUNNING")

    wait_until(is_over, f"{arn} does not end.")
    ended = sfn.describe_execution(executionArn=arn)
    if ended["status"] not in ("SUCCEEDED", "FAILED"):
        raise LocalError(f"{arn} ended as {ended['status']}.")
    say(f"The execution ended as {ended['status']}." + (f" {ended['cause']}" if ended.get("cause") else ""))
    return str(ended["status"])


def _describe(event: Mapping[str, Any]) -> Iterator[str]:
    details = event.get("taskSucceededEventDetails")
    if not details:
        return
    if details["resource"].endswith("putEvents"):
        yield "announced on EventBridge"
    elif details["resource"].endswith("publish"):
        yield "told a person, with what to do"
    else:
        run = json.loads(details["output"])["Payload"]
        for planned in run.get("runs", [run]):
            yield f"mapping {planned['mappingId']}  {_where(planned)}"


def _where(run: Mapping[str, Any]) -> str:
    requests = ", ".join(attempt["requestId"] for attempt in run["attempts"])
    if run["state"] == "PENDING":
        return f"PENDING    {run['reason'] or 'to be submitted'}"
    if run["state"] in ("RUNNING", "UNKNOWN"):
        return f"{run['state']:<10} request {requests}, polled in {run['waitSeconds']} s"
    if run["state"] == "SUCCEEDED":
        return f"SUCCEEDED  request {requests}, {run['numRecords']} records"
    return f"{run['state']:<10} request {requests}: {run['info']}"
