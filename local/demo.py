"""`make demo`: one batch through the whole stack, shown from both ends."""

import json
from typing import Any

import requests

from local.process import LocalError
from local.stack import PROJECT, Stack, say, stack

_DATASTREAM = "3849362f-f325-4418-8cc8-993342b254f7"


def run() -> int:
    with stack() as running:
        batch = json.loads(json.loads((PROJECT / "events/collect.json").read_text())["body"])
        _send(running, batch)
        if running.has_sandbox:
            _compare(running, batch)
        else:
            say("\nWhat Adobe received is for you to see: no sandbox took part.")
    say("\nEverything is stopped. `make start` keeps the stack up for you to play with.")
    return 0


def _send(running: Stack, batch: dict[str, Any]) -> None:
    say(f"\nA client sends {len(batch['events'])} events: POST /ee/v2/collect?dataStreamId={_DATASTREAM}")
    for event in batch["events"]:
        say(f"  {_describe(event)}")
    answer = requests.post(
        f"{running.api_url}/ee/v2/collect",
        params={"dataStreamId": _DATASTREAM},
        headers={"x-api-key": running.api_key},
        json=batch,
        timeout=35,
    )
    say(f"\nThe client got: {answer.status_code} {answer.reason}\n  {answer.text}")
    if answer.status_code != 202:
        raise LocalError("The client did not get 202, so the demo failed.")


def _compare(running: Stack, batch: dict[str, Any]) -> None:
    collected = requests.get(f"{running.adobe_url}/_sandbox/collected", timeout=5).json()
    received = [event for request in collected for event in request["events"]]
    say(f"\nAdobe received {len(received)} events in {len(collected)} request:")
    for event in received:
        say(f"  {_describe(event)}")
    if sorted(map(_describe, received)) != sorted(map(_describe, batch["events"])):
        raise LocalError("Adobe did not receive exactly the events that were sent, so the demo failed.")


def _describe(event: dict[str, Any]) -> str:
    ((namespace, identities),) = event["xdm"]["identityMap"].items()
    return f"{event['xdm']['eventType']}  {namespace} {identities[0]['id']}  {event['xdm']['timestamp']}"
