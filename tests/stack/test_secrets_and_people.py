"""Canaries: secrets, tokens, identities and payloads that go through every error path and must be found nowhere."""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from local.logs import function_logs
from local.process import wait_until
from local.queues import hear_events, hear_topic, messages
from local.sandbox.accounts import DEFAULT_CREDENTIALS
from local.stack import Stack, client
from tests.stack.conftest import Relay, renew_collect, running_executions
from tests.support import SandboxClient, event

IDENTITY = f"canary-{uuid.uuid4()}@example.com"
PAYLOAD = f"canary-{uuid.uuid4()}"
INFO = f"canary-{uuid.uuid4()}"
MEMBER, PARAMETER, ADDRESS, TOKEN = (f"canary-{uuid.uuid4()}" for _ in range(4))  # of the visitor, of its session
EDGE_ERROR = "https://ns.adobe.com/aep/errors/EXEG-"


def canaries(mark: str = "") -> dict[str, Any]:
    """Two events, the first of which has a text by which a fault can know the request."""
    return {"events": [event(IDENTITY, data={"note": PAYLOAD, "mark": mark}), event(f"{IDENTITY}2", text=PAYLOAD)]}


def send(relay: Relay, mark: str = "", request_id: str = "") -> requests.Response:
    """The canaries, with a visitor's headers and all else that a request may have besides its events."""
    return relay.post(
        canaries(mark) | {"meta": {"note": MEMBER}, MEMBER: [MEMBER]},
        query=f"datastreamId=d&adobeAepValidationToken={TOKEN}&{PARAMETER}={PARAMETER}{request_id}",
        hint="or2",
        X_Forwarded_For=ADDRESS,
        User_Agent=ADDRESS,
        x_adobe_aep_validation_token=TOKEN,
        Cookie=TOKEN,
    )


def faults() -> Iterator[dict[str, Any]]:
    """Edge in trouble, quoting what it was sent, or who sent it."""
    for words in (f"{IDENTITY} {PAYLOAD}", "{authorization}"):
        for code in ("0104-422", "0305-400", "0109-408", "0503-401", "0501-401", "0201-503", "0001-500", "0100-500"):
            body = {"type": EDGE_ERROR + code, "status": int(code[-3:]), "title": words, "detail": words}
            yield {"on": "collect", "status": int(code[-3:]), "body": body}
        for status in (207, 401, 200, 403, 502, 400, 404, 429, 500, 503, 504):  # never five that open the breaker
            yield {"on": "collect", "status": status, "body": words}
            yield {"on": "collect", "status": status, "body": {"error_code": words, "message": words}}
        notices = {"errors": [{"title": words, "detail": words}], "warnings": [words]}
        yield {"on": "collect", "status": 207, "body": notices}
    yield {"on": "collect", "status": 302, "headers": {"Location": f"http://127.0.0.1:1/?{IDENTITY}"}}
    yield {"on": "collect", "drop": "before"}
    yield {"on": "collect", "drop": "after"}
    yield {"on": "collect", "cut": True}


def ingest_faults() -> Iterator[Any]:
    """The same of Campaign, whose `info` goes to operators, but not to logs, and not with our token in it."""
    for words in (f"{IDENTITY} {PAYLOAD}", "{authorization}"):
        for status in (200, 401, 403, 404, 429, 500, 503):
            yield {"status": status, "body": words}
            yield {"status": status, "body": {"error_code": words, "message": words, "code": words}}
            yield {"status": status, "body": {"status": words, "info": "?", "requestId": words}}
    for words in (INFO, "{authorization}"):
        yield {"status": 200, "body": {"status": "Failed", "info": words}}


@pytest.fixture
def told(stack: Stack) -> list[str]:
    """URLs of queues that get every EventBridge event of the relay, and everything that is sent to the topic."""
    return [hear_events(stack, "canary-events"), hear_topic(stack, "canary-messages")]


def written(stack: Stack, told: list[str]) -> Iterator[tuple[str, str]]:
    """(where, what) of everything that the stack wrote, but for events on queues, which is where they belong."""
    yield "function logs and metrics", "\n".join(function_logs(stack.aws_endpoint_url))
    for folder, _, names in os.walk(stack.logs):  # what the emulator's workers leave comes and goes
        for name in names:
            with suppress(FileNotFoundError):
                yield f"file: {name}", (Path(folder) / name).read_text(errors="replace")
    for url in told:
        yield f"queue: {url.rpartition('/')[2]}", json.dumps(messages(url, stack))
    for letter in messages(stack.dead_letters_url, stack):
        yield "attributes of a dead letter", json.dumps(letter.get("MessageAttributes"))
    for page in client("dynamodb", stack.aws_endpoint_url).get_paginator("scan").paginate(TableName=stack.table):
        yield "table", json.dumps(page["Items"])
    sfn = client("stepfunctions", stack.aws_endpoint_url)
    for page in sfn.get_paginator("list_executions").paginate(stateMachineArn=stack.state_machine_arn):
        for execution in page["executions"]:
            arn = execution["executionArn"]
            pages = sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
            history = [event for found in pages for event in found["events"]]
            yield f"execution: {arn}", json.dumps([history, sfn.describe_execution(executionArn=arn)], default=str)
    metrics = client("cloudwatch", stack.aws_endpoint_url).list_metrics()["Metrics"]
    yield "metrics", json.dumps(metrics)


@pytest.mark.usefixtures("new_collect")
def test_nothing_secret_or_personal_is_written_anywhere(
    stack: Stack, relay: Relay, sandbox: SandboxClient, told: list[str]
):
    """Logs, metrics, error answers, histories, events, messages; after a run through every error path."""
    send(relay, request_id="&requestId=canaries")
    quoting: list[requests.Response] = []
    for number, fault in enumerate(faults()):
        mark = f"collected {number}."  # others are being redelivered meanwhile
        sandbox.fault(**fault, contains=mark, times=1)
        quoting.append(send(relay, mark))
        sandbox.end_faults()
    redeliver(sandbox, relay)
    answers = [*refusals(relay), *ims_refusals(stack, sandbox, relay), *ingest(stack, sandbox)]

    tokens = sandbox.minted()
    secrets = {DEFAULT_CREDENTIALS["client_secret"], stack.api_key, *tokens}
    wrote = [("answer of ours", f"{answer.text} {answer.headers}") for answer in answers]
    wrote += [("answer of Edge's", f"{answer.text} {answer.headers}") for answer in quoting]
    found = {
        (where.partition(": ")[0], canary)
        for where, text in [*wrote, *written(stack, told)]
        for canary in [*secrets, IDENTITY, PAYLOAD, INFO, MEMBER, PARAMETER, ADDRESS, TOKEN]
        if canary in text
    }
    client("sqs", stack.aws_endpoint_url).purge_queue(QueueUrl=stack.spool_url)  # it would take minutes to drain
    assert len(tokens) > 1
    assert {202, 207, 400} <= {answer.status_code for answer in quoting} <= {202, 207, 400, 404, 408, 422}
    assert {200, 202, 400, 403, 404, 413} == {answer.status_code for answer in answers}
    # Edge's words about a client's own event go back to that client and stay with its dead letter; Campaign's `info`
    # goes to whoever started the ingestion, and to operators: where they belong.
    assert found == {
        ("answer of Edge's", IDENTITY), ("answer of Edge's", PAYLOAD),
        ("attributes of a dead letter", IDENTITY), ("attributes of a dead letter", PAYLOAD),
        ("answer of ours", INFO), ("execution", INFO), ("queue", INFO),
    }  # fmt: skip


def redeliver(sandbox: SandboxClient, relay: Relay) -> None:
    """The redeliver function meets an Edge that quotes, in every kind of verdict."""
    words = f"{IDENTITY} {PAYLOAD}"
    notices = {"errors": [{"title": words, "detail": words}], "warnings": [words]}
    kinds: list[dict[str, Any]] = [
        {"status": 422, "body": {"type": f"{EDGE_ERROR}0104-422", "status": 422, "title": words, "detail": words}},
        {"status": 408, "body": {"type": f"{EDGE_ERROR}0109-408", "status": 408, "title": words, "detail": words}},
        {"status": 401, "body": {"type": f"{EDGE_ERROR}0501-401", "status": 401, "detail": "{authorization}"}},
        {"status": 207, "body": notices},
        {"status": 500, "body": words},
        {"status": 200, "body": "{authorization}"},
    ]
    for number, kind in enumerate(kinds):
        mark = f"redelivered {number}."
        sandbox.fault(on="collect", contains=mark, status=503, times=1)  # the collect function puts it on the spool
        sandbox.fault(on="collect", contains=mark, **kind, times=1)
        send(relay, mark)
        wait_until(lambda: not any(fault["times"] for fault in sandbox.faults()), "the spool is not tried", 60)
        sandbox.end_faults()


def refusals(relay: Relay) -> Iterator[requests.Response]:
    """Requests that never get past the door."""
    for content in (f'{{"events": ["{IDENTITY}",', json.dumps({IDENTITY: PAYLOAD}), json.dumps({"events": [IDENTITY]})):
        yield relay.post(content.encode())
    yield relay.post(canaries(), x_api_key=PAYLOAD)
    yield relay.post(canaries() | {"meta": MEMBER})
    yield relay.post(canaries() | {MEMBER: MEMBER * 2_000})
    yield relay.post(canaries(), Forwarded=ADDRESS * 250)
    yield relay.post(canaries(), query=f"datastreamId=d&long={PARAMETER * 120}")
    yield relay.post(canaries(), hint=f"{ADDRESS}")
    yield relay.post(canaries(), query=f"datastreamId=d&requestId={PAYLOAD} x")
    yield relay.post({"events": [{"xdm": {"identityMap": IDENTITY}}]}, query="datastreamId=d&requestId=refused")


def ims_refusals(stack: Stack, sandbox: SandboxClient, relay: Relay) -> Iterator[requests.Response]:
    """IMS quotes our secret; to a new function each time, since one that was refused spares it for seconds."""
    secret = DEFAULT_CREDENTIALS["client_secret"]
    for body in ({"error": secret, "error_description": secret}, {"error": "invalid_client"}, f"<html>{secret}</html>"):
        renew_collect(stack, relay)
        sandbox.tokens(expire=True)
        sandbox.fault(on="token", status=400, body=body, times=1)
        while sandbox.faults()[0]["times"]:
            yield send(relay)
        sandbox.end_faults()


def ingest(stack: Stack, sandbox: SandboxClient) -> Iterator[requests.Response]:
    """Every trouble to POST and to GET, by workflow; and over HTTPS to POST."""
    sfn = client("stepfunctions", stack.aws_endpoint_url)
    mapping_ids = []
    for number, answer in enumerate(ingest_faults()):
        for kind, usual in (("submit", "submitted"), ("status", "success")):
            mapping_ids.append(f"canary_{kind}_{number}")
            sandbox.script(mapping_ids[-1], **{kind: [answer, usual]})
        mapping_id = f"canary_https_{number}"
        sandbox.script(mapping_id, submit=[answer, "submitted"])
        url = f"{stack.api_url}/{stack.organization}/campaign/dataIngestion/xdmIngestion/{mapping_id}/ingest"
        headers = {"x-api-key": stack.api_key}
        submitted = requests.post(url, headers=headers, timeout=40)
        request_id = submitted.json().get("requestId", PAYLOAD)
        yield submitted
        yield requests.get(url, headers=headers, params={"requestId": request_id}, timeout=40)
    for start in range(0, len(mapping_ids), 5):  # few at a time, or the machine is busy with starting functions
        content = {"mappingIds": mapping_ids[start : start + 5], "deadlineSeconds": 60}
        sfn.start_execution(stateMachineArn=stack.state_machine_arn, input=json.dumps(content))
        wait_until(lambda: not running_executions(stack), "executions do not end", 120)
