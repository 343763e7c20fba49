"""Whatever comes in, an answer that docs/openapi.yaml describes goes out. `make fuzz` looks longer."""

import base64
import gzip
import json
import os
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from functions.collect.app import handler as collect
from functions.ingest_api.app import handler as ingest
from functions.plan_ingest.app import handler as plan
from relay.accept import Acceptor
from relay.campaign import CampaignClient
from relay.collect import Collect
from relay.core.message import UnreadableMessage, read_message, write_message
from relay.core.report import Report, Status, read_answer
from relay.core.verdict import Answer, judge
from relay.follow import Follower
from relay.forward import Forwarder
from relay.idempotency import Idempotency
from relay.ingest_api import IngestApi
from relay.plan import Planner
from tests.openapi import operation, resolve, validate
from tests.support import (
    NOW,
    PROJECT,
    Clock,
    FakeAuthorizer,
    FakeCampaign,
    FakeQueue,
    batch,
    context,
    edge,
    event,
    report,
)
from tests.unit.test_ingest_api import FakeClaims, FakeWorkflow

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
fuzzed = settings(max_examples=EXAMPLES, deadline=None, derandomize="FUZZ_EXAMPLES" not in os.environ)

INGEST = json.loads((PROJECT / "events/ingest_api.json").read_text())


def encoded(content: Any) -> bytes:
    return json.dumps(content).encode()


numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(10**19), 2**53 + 1])
texts = (
    st.text()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["\x00", "\ud800", "é", "../", "\r\nX: y", "a" * 70_000])
)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)
identities = st.fixed_dictionaries({}, optional={"id": values, "primary": values, "authenticatedState": values})
xdm = st.fixed_dictionaries(
    {},
    optional={
        "identityMap": st.dictionaries(texts, st.lists(identities | values, max_size=3), max_size=3) | values,
        "timestamp": values,
        "_id": values,
        "eventType": values,
    },
)
events = st.fixed_dictionaries({}, optional={"xdm": xdm | values, "data": values}) | values | st.just(event("a"))
batches = (
    st.fixed_dictionaries(
        {},
        optional={
            "events": st.lists(events, max_size=5) | values,
            "meta": st.dictionaries(texts, values, max_size=2) | values,
            "query": st.dictionaries(texts, values, max_size=2) | values,
            "new": values,
        },
    )
    | values
)
answers = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["Success", "In Progress", "Failed", "Aborted"]) | values,
        "info": texts | values,
        "requestId": values,
        "numRecords": values,
        "batchId": values,
        "type": texts | st.just("https://ns.adobe.com/aep/errors/EXEG-0104-422"),
        "report": values,
        "errors": values,
    },
)
bodies = st.binary(max_size=200) | batches.map(encoded)
packed = bodies | bodies.map(gzip.compress) | bodies.map(lambda body: b"\x1f\x8b" + body)
headers = st.dictionaries(
    st.sampled_from([
        "Content-Type", "content-type", "Content-Encoding", "x-request-id", "X-Api-Key", "Host",
        "User-Agent", "X-Forwarded-For", "forwarded", "x-adobe-aep-validation-token", "Prefer",
    ]),
    texts
    | st.sampled_from([
        "application/json", "text/plain; charset=x", "gzip", "br", "identity", "respond-async", 'a="',
    ]),
    max_size=4,
)  # fmt: skip
queries = st.none() | st.dictionaries(
    st.sampled_from(["dataStreamId", "datastreamId", "configId", "requestId", "silent", "x"]) | texts,
    texts | st.sampled_from(["d", "true", "mine"]),
    max_size=4,
)


hints = st.none() | st.just({}) | st.fixed_dictionaries({"hint": texts | st.sampled_from(["or2", "..", "%2e%2e"])})


def collect_answer(http_event: dict[str, Any]) -> dict[str, Any]:
    forwarder = Forwarder(edge(202), FakeAuthorizer(), Clock())
    acceptor = Acceptor(forwarder, FakeQueue(), Clock())
    return collect(http_event, context(), Collect(acceptor, without_store, frozenset(), Clock()))


class NoStore(Idempotency):
    """Serves without remembering."""

    def __init__(self) -> None:
        pass

    def once(self, request: Any, request_id: Any, context: Any, serve: Any) -> dict[str, Any]:
        return serve()


def without_store() -> Idempotency:
    return NoStore()


def check(answer: dict[str, Any], path: str, method: str) -> None:
    """It is described, it can be sent, and it shows nothing of the inside."""
    described = resolve(operation(path, method)["responses"].get(str(answer["statusCode"])))
    assert described, answer
    assert answer["statusCode"] < 500
    for name, value in answer["headers"].items():
        assert value.isascii(), name
        assert value.isprintable(), name
    answer["body"].encode()
    if "content" not in described:
        assert answer["body"] == ""
    else:
        schema = described["content"][answer["headers"]["Content-Type"]]["schema"]
        validate(json.loads(answer["body"]), schema)
    assert "Traceback" not in answer["body"]
    assert ".py" not in answer["body"]


@fuzzed
@given(packed, st.booleans(), headers, queries, hints)
@example(json.dumps(batch("a")).encode(), False, {}, {"dataStreamId": "d"}, None)
@example(b'{"events": [], "events": [{"xdm": {}}]}', True, {}, {"dataStreamId": "d"}, None)
@example(b"[" * 100_000, True, {}, {"dataStreamId": "d"}, None)
@example(b'{"meta":' + b"[" * 100_000, True, {}, {"dataStreamId": "d"}, None)
@example(
    b'{"events": [{"xdm": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}]}", True, {}, {"dataStreamId": "d"}, None
)
@example(b'{"events": [{"xdm": {"n": 1' + b"0" * 5_000 + b"}}]}", True, {}, {"dataStreamId": "d"}, None)
@example(json.dumps(batch("a")).encode(), False, {"User-Agent": "\ud800"}, {"dataStreamId": "d", "\ud800": ""}, None)
def test_collect_answers_anything(
    body: bytes, is_base64: bool, headers: dict[str, str], query: dict[str, str] | None, path: dict[str, str] | None
):
    """Bytes, JSON that is nearly a batch, wrong flags, odd headers, parameters and hints; always under 500."""
    text = base64.b64encode(body).decode() if is_base64 else body.decode("utf-8", "replace")
    answer = collect_answer(
        {
            "httpMethod": "POST",
            "headers": headers,
            "queryStringParameters": query,
            "pathParameters": path,
            "body": text,
            "isBase64Encoded": is_base64,
        }
    )

    check(answer, "/ee/v2/collect", "post")


@fuzzed
@given(texts, st.booleans(), queries)
def test_collect_answers_a_wrong_base64_flag(body: str, is_base64: bool, query: dict[str, str] | None):
    """Text that is marked as base64, and the other way round."""
    answer = collect_answer(
        {
            "httpMethod": "POST",
            "headers": None,
            "queryStringParameters": query,
            "body": body,
            "isBase64Encoded": is_base64,
        }
    )

    check(answer, "/ee/v2/collect", "post")


@fuzzed
@given(
    st.sampled_from(["POST", "GET"]),
    st.none() | st.dictionaries(st.sampled_from(["organization", "mappingId", "proxy"]), texts | st.just("example")),
    queries,
    st.none() | texts | bodies.map(lambda body: body.decode("utf-8", "replace")),
    st.booleans(),
)
def test_ingest_answers_anything(
    method: str, parameters: Any, query: dict[str, str] | None, body: str | None, is_base64: bool
):
    """Path tricks in mapping ids, ids that are none, bodies of any kind; nothing foreign gets into a name."""
    workflow = FakeWorkflow()
    client = CampaignClient(FakeCampaign([report("Success")]), FakeAuthorizer(), Clock(0))
    api = IngestApi(client, Follower(workflow, FakeClaims(), lambda: "1", Clock()), "example", 10, Clock())
    changed = {"httpMethod": method, "queryStringParameters": query, "body": body, "isBase64Encoded": is_base64}
    if parameters is not None:
        changed["pathParameters"] = {"organization": "example", "mappingId": "42"} | parameters

    answer = ingest({**INGEST, **changed}, context(), api)

    check(answer, "/example/campaign/dataIngestion/xdmIngestion/42/ingest", method)
    assert all(name.isascii() and set(name) <= set(NAME) and len(name) <= 80 for name in workflow.inputs)


NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"


@fuzzed
@given(values)
def test_any_input_of_an_execution_is_planned_or_refused(content: Any):
    """In a sentence that says which field, and holds nothing of the input."""
    planned = plan({"input": content}, context(), Planner(14_400, 10, Clock()))

    assert set(planned) in ({"runs"}, {"problem"})


@fuzzed
@given(
    st.integers(100, 999),
    st.binary(max_size=200) | (answers | values).map(lambda content: json.dumps(content).encode()),
)
def test_any_answer_of_adobes_is_judged(status: int, body: bytes):
    """By Edge's rules and by Campaign's; no end is made up."""
    judge(Answer(status, {}, body), NOW)
    outcome = read_answer(Answer(status, {}, body), NOW)

    if isinstance(outcome, Report) and outcome.status is Status.SUCCESS:
        assert json.loads(body)["status"] == "Success"


envelopes = st.fixed_dictionaries(
    {
        "datastreamId": texts,
        "hint": st.sampled_from(["", "or2", ".."]) | values,
        "members": st.just({}) | values,
        "parameters": st.lists(st.lists(texts, min_size=2, max_size=2), max_size=2) | values,
        "headers": st.lists(st.tuples(st.just("User-Agent") | texts, texts), max_size=2) | values,
    }
)
parcels = st.fixed_dictionaries(
    {
        "requestId": texts,
        "sentAs": texts,
        "acceptedAt": st.just(NOW) | numbers,
        "attempts": st.just(1) | numbers,
        "unclear": st.just(0) | numbers,
        "unclearAt": st.just(0) | numbers,
        "unclearSince": st.just(0) | numbers,
        "indexes": st.just([0]) | values,
        "events": st.lists(st.just(event("a")) | events, min_size=1, max_size=2) | values,
    }
)
messages = st.fixed_dictionaries(
    {"version": st.just(2) | values, "envelope": envelopes | values, "parcels": parcels.map(lambda one: [one]) | values}
)


@fuzzed
@given(st.text() | messages.map(json.dumps) | values.map(json.dumps))
def test_any_message_is_read_or_called_unreadable(text: str):
    """What is read can be written, and sent."""
    try:
        message = read_message(text)
    except UnreadableMessage:
        return

    assert read_message(write_message(message)) == message
    assert message.envelope.fault() is None


def test_a_good_batch_gets_through():
    """Or all of the above would be refusals of something else."""
    answer = collect_answer({"queryStringParameters": {"dataStreamId": "d"}, "body": json.dumps(batch("a"))})

    assert answer["statusCode"] == 202
