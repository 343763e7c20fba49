"""`make logs`: what the functions of the stack that `make start` runs have logged so far."""

import json

from botocore.exceptions import EndpointConnectionError

from local.process import LocalError
from local.stack import client, say
from local.start import STACK_FILE


def run() -> int:
    try:
        lines = function_logs(json.loads(STACK_FILE.read_text())["aws_endpoint_url"])
    except (FileNotFoundError, EndpointConnectionError) as error:
        raise LocalError("Nothing is running: run `make start` in another terminal first.") from error
    say("\n".join(lines) or "Nothing has been logged yet: no function has been called.")
    return 0


def function_logs(aws_url: str) -> list[str]:
    """Every line in every log group, in the order of time."""
    logs = client("logs", aws_url)
    events = [
        event
        for groups in logs.get_paginator("describe_log_groups").paginate()
        for group in groups["logGroups"]
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        for event in page["events"]
    ]
    return [event["message"].rstrip() for event in sorted(events, key=lambda event: event["timestamp"])]
