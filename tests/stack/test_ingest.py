"""The ingestion workflow through the deployed template; each row of the README's tables is a test."""

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest

from local.process import wait_until
from local.queues import bodies, hear_events, hear_topic
from local.stack import Stack, client
from tests.stack.ingestions import GET_CASES, NETWORK, POST_CASES, Case, Ended, Workflow, new_mapping, rows
from tests.support import PROJECT, SandboxClient


@pytest.fixture(scope="module")
def announced(stack: Stack) -> str:
    """URL of a queue that gets every event of the relay."""
    return hear_events(stack, "announced")


@pytest.fixture(scope="module")
def notified(stack: Stack) -> str:
    """URL of a queue that gets what is sent to the alarm topic."""
    return hear_topic(stack, "notified")


@dataclass(frozen=True)
class Outcome:
    """An execution about one case, and what the sandbox recorded of its mapping."""

    case: Case
    mapping_id: str
    ended: Ended
    recorded: dict[str, Any]
    event: dict[str, Any]
    message: dict[str, Any] | None


@pytest.fixture(scope="module")
def outcomes(stack: Stack, workflow: Workflow, announced: str, notified: str) -> dict[tuple[str, str], Outcome]:
    """All cases of both tables, a few at a time."""
    adobe = SandboxClient(stack.adobe_url)
    cases = {("POST", name): case for name, case in POST_CASES.items()}
    cases |= {("GET", name): case for name, case in GET_CASES.items()}
    mapping_ids = {key: new_mapping() for key in cases}
    for key, case in cases.items():
        adobe.script(mapping_ids[key], submit=list(case.submit), status=list(case.status))

    def run(key: tuple[str, str]) -> Ended:
        return workflow.run({"mappingIds": [mapping_ids[key]], "deadlineSeconds": cases[key].deadline})

    # These make a function distrust new tokens for seconds, those of other runs, too.
    alone = [("POST", "401"), ("GET", "401")]
    together = [key for key in cases if key not in alone]
    together.sort(key=lambda key: cases[key].state == "TIMED_OUT")  # when the functions are there, deadlines hold
    with ThreadPoolExecutor(6) as pool:
        ended = dict(zip(together, pool.map(run, together), strict=True))
    ended |= {key: run(key) for key in alone}
    events = {event["detail"]["mappingId"]: event for event in bodies(announced, stack)}
    told = {body["Subject"].split()[3]: body for body in bodies(notified, stack)}
    recorded = adobe.ingestions()
    return {
        key: Outcome(case, mapping_id, ended[key], recorded[mapping_id], events[mapping_id], told.get(mapping_id))
        for key, case in cases.items()
        for mapping_id in [mapping_ids[key]]
    }


KEYS = [("POST", name) for name in POST_CASES] + [("GET", name) for name in GET_CASES]


@pytest.mark.parametrize(("method", "cases"), [("POST", POST_CASES), ("GET", GET_CASES)])
def test_every_row_of_the_readme_has_a_case(method: str, cases: dict[str, Case]):
    """And says how it ends."""
    described = rows(method)

    assert set(described) - NETWORK == set(cases)
    assert [name for name, case in cases.items() if f"`{case.state}`" not in described[name][1]] == []


@pytest.mark.parametrize("key", KEYS, ids=" ".join)
def test_a_run_ends_as_the_readme_says(outcomes: dict[tuple[str, str], Outcome], key: tuple[str, str]):
    """With the requests that Adobe recorded, and not one POST more."""
    outcome = outcomes[key]
    (run,) = outcome.ended.runs

    assert run["state"] == outcome.case.state
    assert [int(attempt["requestId"]) for attempt in run["attempts"]] == outcome.recorded["requestIds"]
    match outcome.case.posts:
        case None:
            assert outcome.recorded["posts"] - run["waits"] in (0, 1)
        case range() as posts:
            assert outcome.recorded["posts"] in posts
        case posts:
            assert outcome.recorded["posts"] == posts
    assert outcome.ended.status == ("SUCCEEDED" if run["state"] == "SUCCEEDED" else "FAILED")
    assert run["numRecords"] == (15 if run["state"] == "SUCCEEDED" else 0)


@pytest.mark.parametrize("key", KEYS, ids=" ".join)
def test_every_end_is_announced(outcomes: dict[tuple[str, str], Outcome], key: tuple[str, str]):
    """On EventBridge, in the documented form; and a failure to a person, with what to do."""
    outcome = outcomes[key]
    (run,) = outcome.ended.runs
    schema = json.loads((PROJECT / "docs/ingestion-event.schema.json").read_text())
    succeeded = run["state"] == "SUCCEEDED"

    jsonschema.validate(outcome.event["detail"], schema, format_checker=jsonschema.FormatChecker())
    assert set(outcome.event["detail"]) == set(schema["properties"])
    assert outcome.event["detail-type"] == ("Ingestion Succeeded" if succeeded else "Ingestion Failed")
    assert outcome.event["detail"]["execution"] == outcome.ended.arn
    shared = set(outcome.event["detail"]) & set(run) - {"startedAt", "endedAt"}
    assert {name: outcome.event["detail"][name] for name in shared} == {name: run[name] for name in shared}
    assert (outcome.message is None) == succeeded
    if outcome.message:
        assert run["reason"] in outcome.message["Message"]
        assert run["advice"] in outcome.message["Message"]
        assert outcome.ended.arn in outcome.message["Message"]
        assert f"{outcome.mapping_id} {run['state']}: {run['reason']}" in outcome.ended.cause


@pytest.mark.parametrize(
    ("name", "code", "batch_id", "sentence"),
    [
        ("Failed, ACP-880056", "ACP-880056", "", "Failed to fetch the record from the database."),
        ("Failed, ACP-880096", "ACP-880096", "01ABC", "Sync Job failed to upload."),
    ],
)
def test_adobes_code_and_sentence_are_in_the_cause(
    outcomes: dict[tuple[str, str], Outcome], name: str, code: str, batch_id: str, sentence: str
):
    """And the batch, when there is one, in output and event."""
    outcome = outcomes["GET", name]
    (run,) = outcome.ended.runs

    assert f"{code} {sentence}" in outcome.ended.cause
    assert (run["code"], run["batchId"]) == (code, batch_id)
    assert (outcome.event["detail"]["code"], outcome.event["detail"]["batchId"]) == (code, batch_id)


@pytest.mark.parametrize(
    ("name", "words"), [("Failed, not stopped", "Stop the mapping"), ("Failed, not published", "Publish the mapping")]
)
def test_a_refusal_tells_the_operator_what_to_do(outcomes: dict[tuple[str, str], Outcome], name: str, words: str):
    """At once: Adobe is asked once, and nothing is polled."""
    outcome = outcomes["POST", name]

    assert outcome.message
    assert words in outcome.message["Message"]
    assert (outcome.recorded["posts"], outcome.recorded["gets"]) == (1, 0)


def test_unknown_statuses_are_counted(outcomes: dict[tuple[str, str], Outcome]):
    """In output and event."""
    assert outcomes["GET", "unknown status once"].event["detail"]["unknownStatuses"] == 1
    assert outcomes["GET", "unknown status"].ended.runs[0]["unknownStatuses"] > 1


def test_one_mapping_does_not_stop_another(workflow: Workflow, sandbox: SandboxClient):
    """Of 25, every third fails; the cause names these and no other."""
    mapping_ids = [new_mapping() for _ in range(25)]
    failing = set(mapping_ids[::3])
    for mapping_id in failing:
        sandbox.script(mapping_id, status=["failed_on_fetch"])

    ended = workflow.run({"mappingIds": mapping_ids})

    assert {run["mappingId"] for run in ended.runs if run["state"] == "FAILED"} == failing
    assert {run["mappingId"] for run in ended.runs if run["state"] == "SUCCEEDED"} == set(mapping_ids) - failing
    assert set(re.findall(r"Mapping (\d+) FAILED", ended.cause)) == failing
    recorded = sandbox.ingestions()
    assert {recorded[mapping_id]["posts"] for mapping_id in mapping_ids} == {1}


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_to_post_never_means_a_second_ingestion(workflow: Workflow, sandbox: SandboxClient, drop: str):
    """Adobe is asked again, says "In Progress" if it has taken the first, and that one is adopted."""
    mapping_id = new_mapping()
    sandbox.fault(on="ingest", drop=drop, times=1)

    ended = workflow.run({"mappingIds": [mapping_id]})

    recorded = sandbox.ingestions()[mapping_id]
    (attempt,) = ended.runs[0]["attempts"]
    assert ended.runs[0]["state"] == "SUCCEEDED"
    assert recorded["requestIds"] == [int(attempt["requestId"])]
    assert (recorded["posts"], attempt["adopted"]) == ((2, True) if drop == "after" else (1, False))


def test_a_lost_answer_to_get_does_not_end_a_run(workflow: Workflow, sandbox: SandboxClient):
    """It is asked again."""
    mapping_id = new_mapping()
    sandbox.fault(on="ingest_status", drop="before", times=2)

    ended = workflow.run({"mappingIds": [mapping_id]})

    assert ended.runs[0]["state"] == "SUCCEEDED"
    assert sandbox.ingestions()[mapping_id]["posts"] == 1


def test_a_token_that_expires_in_the_middle_is_renewed(workflow: Workflow, sandbox: SandboxClient):
    """Adobe's gateway says 401, once, to POST or GET."""
    mapping_id = new_mapping()
    workflow.run({"mappingIds": [new_mapping()]})
    sandbox.tokens(expire=True)

    ended = workflow.run({"mappingIds": [mapping_id]})

    assert ended.runs[0]["state"] == "SUCCEEDED"
    assert sandbox.ingestions()[mapping_id]["posts"] == 1


def test_a_request_that_was_submitted_before_is_handed_over(workflow: Workflow, sandbox: SandboxClient):
    """The run starts at the wait: not one POST more."""
    mapping_id = new_mapping()
    first = workflow.run({"mappingIds": [mapping_id]}).runs[0]["attempts"][0]["requestId"]

    ended = workflow.run({"mappingIds": [mapping_id], "submitted": {mapping_id: {"requestId": first}}})

    assert ended.runs[0]["attempts"] == [{"requestId": first, "adopted": False}]
    assert sandbox.ingestions()[mapping_id]["posts"] == 1


@pytest.mark.parametrize(
    ("content", "field"),
    [
        pytest.param([], "The input", id="an array"),
        pytest.param({}, "mappingIds", id="no ids"),
        pytest.param({"mappingIds": []}, "mappingIds", id="empty"),
        pytest.param({"mappingIds": [str(n) for n in range(26)]}, "mappingIds", id="26"),
        pytest.param({"mappingIds": ["4/2"]}, "mappingIds[0]", id="a slash"),
    ],
)
def test_bad_input_triggers_nothing(workflow: Workflow, sandbox: SandboxClient, content: Any, field: str):
    """The execution fails with a sentence that names the field."""
    ended = workflow.run(content)

    assert ended.status == "FAILED"
    assert ended.cause.startswith(field)
    assert "Nothing was triggered." in ended.cause
    assert sandbox.statuses("ingest") == []


def test_the_schedule_starts_its_mappings(stack: Stack, sandbox: SandboxClient, announced: str):
    """With the target, role and input of the deployed schedule, which is disabled by default."""
    scheduler = client("scheduler", stack.aws_endpoint_url)
    (name,) = (schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"])
    deployed = scheduler.get_schedule(Name=name)
    before = posts_by_mapping(sandbox)
    soon = datetime.now(UTC) + timedelta(seconds=1)

    scheduler.create_schedule(
        Name="once",
        ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=deployed["Target"],
    )

    ends: dict[str, str] = {}

    def both_ended() -> bool:
        details = [event["detail"] for event in bodies(announced, stack)]
        ends.update({detail["mappingId"]: detail["state"] for detail in details if detail["startedBy"] == "schedule"})
        return {"42", "43"} <= set(ends)

    wait_until(both_ended, "the schedule's ingestions are missing", 60)
    assert deployed["State"] == "DISABLED"
    assert ends == {"42": "SUCCEEDED", "43": "SUCCEEDED"}
    assert posts_by_mapping(sandbox) - before == {"42": 1, "43": 1}


def posts_by_mapping(sandbox: SandboxClient) -> Counter[str]:
    return Counter({mapping_id: found["posts"] for mapping_id, found in sandbox.ingestions().items()})


def test_a_poll_function_that_dies_ends_no_run(stack: Stack, workflow: Workflow, sandbox: SandboxClient):
    """The state machine looks after the deadline itself, and goes on when the function is back."""
    late_mapping, mapping_id = new_mapping(), new_mapping()
    functions = client("lambda", stack.aws_endpoint_url)
    names = [function["FunctionName"] for function in functions.list_functions()["Functions"]]
    (poll,) = (name for name in names if "PollIngest" in name)
    handler = functions.get_function_configuration(FunctionName=poll)["Handler"]
    functions.update_function_configuration(FunctionName=poll, Handler="app.no_such_handler")
    try:
        taken = {late_mapping: {"requestId": "1"}}
        late = workflow.run({"mappingIds": [late_mapping], "submitted": taken, "deadlineSeconds": 1})
        arn = workflow.start({"mappingIds": [mapping_id], "deadlineSeconds": 60})
        wait_until(lambda: sandbox.ingestions().get(mapping_id, {}).get("posts"), "nothing was submitted", 30)
    finally:
        functions.update_function_configuration(FunctionName=poll, Handler=handler)

    ended = workflow.end(arn)

    assert (late.runs[0]["state"], ended.runs[0]["state"]) == ("TIMED_OUT", "SUCCEEDED")
    assert "function of the relay failed" in late.cause
    assert posts_by_mapping(sandbox)[late_mapping] == 0
    assert posts_by_mapping(sandbox)[mapping_id] == 1
