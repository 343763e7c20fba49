"""`make demo`: a batch through the whole stack, on a good day and in an outage, and ingestions to their end."""

import json
from typing import Any

import requests

from local.ingestion import watch
from local.process import LocalError, wait_until
from local.queues import bodies, hear_topic, waiting
from local.stack import PROJECT, Stack, say, stack

_DATASTREAM = "3849362f-f325-4418-8cc8-993342b254f7"


def run() -> int:
    with stack() as running:
        batch = json.loads(json.loads((PROJECT / "events/collect.json").read_text())["body"])
        say("\n--- A batch on a good day ---")
        _send(running, batch)
        if running.is_adobe_the_sandbox:
            _compare(running, batch)
            _show_outage(running, batch)
            _show_ingestions(running)
        else:
            say("\nWhat Adobe received is for you to see: no sandbox took part.")
    say("\nEverything is stopped. `make start` keeps the stack up for you to play with.")
    return 0


def _show_outage(running: Stack, batch: dict[str, Any]) -> None:
    say("\n--- The same batch while Adobe is down ---")
    _call(running, "DELETE", "/collected")
    _call(running, "POST", "/faults", {"on": "collect", "status": 503})
    _send(running, batch)
    say(f"\nMessages on the relay's spool: {waiting(running.spool_url, running)}. Adobe comes back ...")
    _call(running, "DELETE", "/faults")
    wait_until(lambda: _received(running), "The events did not arrive, so the demo failed.")
    _compare(running, batch)


def _show_ingestions(running: Stack) -> None:
    say("\n--- An ingestion of Campaign Standard's mapping 42 ---")
    ended = watch(running, {"mappingIds": ["42"]})
    if ended != "SUCCEEDED":
        raise LocalError("The ingestion did not succeed, so the demo failed.")
    say("\n--- One that fails: mapping 43 ---")
    _call(running, "PUT", "/ingestions/43", {"status": ["in_progress", "failed_on_upload"]})
    mailbox = hear_topic(running, "mailbox")
    if watch(running, {"mappingIds": ["43"]}) != "FAILED":
        raise LocalError("An ingestion that Adobe failed did not fail, so the demo failed.")
    (mail,) = bodies(mailbox, running)
    say(f"\nThe mail to AlarmEmail: {mail['Subject']}")
    say("\n".join(f"  {line}".rstrip() for line in mail["Message"].splitlines()))
    posts = {mapping_id: found["posts"] for mapping_id, found in _call(running, "GET", "/ingestions").json().items()}
    say(f"\nAdobe was asked for {posts['42']} ingestion of mapping 42 and {posts['43']} of mapping 43.")


def _send(running: Stack, batch: dict[str, Any]) -> None:
    say(f"A client sends {len(batch['events'])} events: POST /ee/v2/collect?dataStreamId={_DATASTREAM}")
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
    received = _received(running)
    say(f"\nAdobe received {len(received)} events, each once:")
    for event in received:
        say(f"  {_describe(event)}")
    if sorted(map(_describe, received)) != sorted(map(_describe, batch["events"])):
        raise LocalError("Adobe did not receive exactly the events that were sent, so the demo failed.")


def _received(running: Stack) -> list[dict[str, Any]]:
    return [event for request in _call(running, "GET", "/collected").json() for event in request["events"]]


def _call(running: Stack, method: str, path: str, content: Any = None) -> requests.Response:
    response = requests.request(method, f"{running.adobe_url}/_sandbox{path}", json=content, timeout=5)
    response.raise_for_status()
    return response


def _describe(event: dict[str, Any]) -> str:
    ((namespace, identities),) = event["xdm"]["identityMap"].items()
    return f"{event['xdm']['eventType']}  {namespace} {identities[0]['id']}  {event['xdm']['timestamp']}"
