"""The ingestion workflow through the deployed template; each row of the README's tables is a test."""

import itertools
import json
import os
import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
import requests

from local.process import wait_until
from local.queues import bodies, hear_events, hear_topic
from local.stack import Stack, client
from tests.openapi import check
from tests.support import PROJECT, SandboxClient

README = (PROJECT / "README.md").read_text()

EXPIRED = {"status": 401, "body": {"error_code": "401013", "message": "Oauth token is not valid"}}
UNKNOWN = {"status": 200, "body": {"requestId": 1, "info": "?", "status": "Paused"}}
NO_ID = {"status": 200, "body": {"info": "Ingestion request submitted", "status": "Success"}}
OTHER = {"status": 200, "body": {"requestId": 999999, "info": "Mapping Id: 1.", "status": "Success", "numRecords": 7}}
TROUBLES: dict[str, Any] = {
    "401": EXPIRED,
    "403 error_code": "error_code",
    "404 RST-360011": "rst_404",
    "429": "too_many_requests",
    "500 RST-360011": "rst_500",
    "502 code": "gateway_code",
    "not JSON": "not_json",
    "empty": "empty",
    **{status: {"status": int(status)} for status in ("502", "503", "504")},
}
UNKNOWN_GET = {"status": 200, "body": {"info": "?", "status": "Paused"}}


@dataclass(frozen=True)
class Case:
    """What Adobe answers, how the run ends, and how many POSTs Adobe got (None: one for every wait)."""

    state: str
    posts: int | range | None = 1
    submit: tuple[Any, ...] = ()
    status: tuple[Any, ...] = ()
    deadline: int = 60


POST_CASES = {
    "Success": Case("SUCCEEDED"),
    "In Progress": Case("SUCCEEDED", submit=("in_progress",)),
    "Failed, not stopped": Case("FAILED", submit=("not_stopped",)),
    "Failed, not published": Case("FAILED", submit=("not_published",)),
    "no request id": Case("FAILED", submit=(NO_ID,)),
    "unknown status once": Case("SUCCEEDED", 2, (UNKNOWN, "submitted")),
    **{
        f"{name} once": Case("SUCCEEDED", 2, (TROUBLES[name], "submitted"))
        for name in ("401", "429", "502", "503", "504", "500 RST-360011", "not JSON", "empty")
    },
    # Ten times, each with a new token once more; one further POST finds that those are refused, too.
    "401": Case("FAILED", range(10, 31), (EXPIRED,)),
    **{
        name: Case("FAILED", 10, (TROUBLES[name],))
        for name in ("403 error_code", "404 RST-360011", "500 RST-360011", "502 code", "not JSON", "empty")
    },
    "429": Case("TIMED_OUT", None, (TROUBLES["429"],), deadline=5),
}
GET_CASES = {
    "Success": Case("SUCCEEDED", status=("success",)),
    "In Progress": Case("TIMED_OUT", status=("in_progress",), deadline=5),
    "Failed, ACP-880056": Case("FAILED", status=("failed_on_fetch",)),
    "Failed, ACP-880096": Case("FAILED", status=("failed_on_upload",)),
    "Aborted once": Case("SUCCEEDED", 2, status=("aborted", "success")),
    "Aborted": Case("ABORTED", 3, status=("aborted",)),
    "unknown status once": Case("SUCCEEDED", status=(UNKNOWN_GET, "success")),
    "another request once": Case("SUCCEEDED", status=(OTHER, "success")),
    **{f"{name} once": Case("SUCCEEDED", status=(trouble, "success")) for name, trouble in TROUBLES.items()},
    "unknown status": Case("TIMED_OUT", status=(UNKNOWN_GET,), deadline=5),
    **{name: Case("TIMED_OUT", status=(trouble,), deadline=5) for name, trouble in TROUBLES.items()},
}
# These need a fault of the network, and have tests of their own: below, or in tests/integration/test_campaign.py.
NETWORK = {"no connection", "no answer in time", "connection lost before", "connection lost after"}

_mapping_ids = itertools.count(1000)


def new_mapping() -> str:
    return str(next(_mapping_ids))


@dataclass(frozen=True)
class Ended:
    """An execution that is over, and its runs."""

    arn: str
    status: str
    cause: str
    runs: list[dict[str, Any]]


class Workflow:
    """A client of the deployed workflow, by Step Functions and by HTTPS."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._sfn = client("stepfunctions", stack.aws_endpoint_url)

    def start(self, content: Any) -> str:
        return self._sfn.start_execution(stateMachineArn=self._stack.state_machine_arn, input=json.dumps(content))[
            "executionArn"
        ]

    def names(self, mapping_id: str) -> set[str]:
        """Of the executions that are about this mapping by their name."""
        found = self._sfn.list_executions(stateMachineArn=self._stack.state_machine_arn)["executions"]
        return {execution["name"] for execution in found if execution["name"].startswith(f"{mapping_id}-")}

    def arn(self, name: str) -> str:
        return f"{self._stack.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"

    def end(self, arn: str) -> Ended:
        def is_over() -> bool:
            return self._sfn.describe_execution(executionArn=arn)["status"] != "RUNNING"

        wait_until(is_over, f"{arn} does not end", 90)
        found = self._sfn.describe_execution(executionArn=arn)
        if found["status"] == "SUCCEEDED":
            return Ended(arn, "SUCCEEDED", "", json.loads(found["output"]))
        history = self._sfn.get_execution_history(executionArn=arn, reverseOrder=True)["events"]
        failed = next(event for event in history if event["type"] == "FailStateEntered")
        content = json.loads(failed["stateEnteredEventDetails"]["input"])
        return Ended(arn, found["status"], found["cause"], content if isinstance(content, list) else [])

    def run(self, content: Any) -> Ended:
        return self.end(self.start(content))

    def post(self, mapping_id: str, **headers: str) -> requests.Response:
        return self._check(requests.post(self.url(mapping_id), headers=self._headers(headers), timeout=40))

    def get(self, mapping_id: str, request_id: Any, **content: Any) -> requests.Response:
        params = {} if request_id is None else {"requestId": request_id}
        answer = requests.get(
            self.url(mapping_id), params=params, headers=self._headers({}), json=content or None, timeout=40
        )
        return self._check(answer)

    def _check(self, answer: requests.Response) -> requests.Response:
        """Every answer is one that docs/openapi.yaml describes."""
        return check(answer, self._stack.api_url)

    def url(self, mapping_id: str) -> str:
        return (
            f"{self._stack.api_url}/{self._stack.organization}/campaign/dataIngestion/xdmIngestion/{mapping_id}/ingest"
        )

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        return {"x-api-key": self._stack.api_key} | {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture(scope="module")
def workflow(stack: Stack) -> Workflow:
    return Workflow(stack)


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


def rows(method: str) -> dict[str, list[str]]:
    """The README's row for every answer of Adobe's to the method."""
    table = README.split(f"| to {method} Adobe answers |")[1].split("\n\n")[0]
    cells = [row.strip("|").split("|") for row in table.splitlines()[2:]]
    return {answer: row[1:] for row in cells for answer in re.findall("`([^`]+)`", row[0])}


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


def test_the_readmes_curl_commands_work(stack: Stack, workflow: Workflow, sandbox: SandboxClient):
    """As they are printed there, with the id that POST has answered."""
    block = next(block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "/ingest" in block)
    post, get = block.splitlines()
    environment = {"API_URL": stack.api_url, "API_KEY": stack.api_key, "ORGANIZATION": stack.organization}

    posted = shell(post, environment)
    request_id = json.loads(posted.splitlines()[-1])["requestId"]
    got = shell(get.replace("3520", str(request_id)), environment)

    assert [answer.splitlines()[0].split()[1] for answer in (posted, got)] == ["200", "200"]
    workflow.end(workflow.arn(f"42-{request_id}"))


def shell(command: str, environment: dict[str, str]) -> str:
    """What it prints."""
    environment = os.environ | environment
    return subprocess.run(["bash", "-euc", command], env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", POST_CASES)
def test_https_answers_as_the_readme_says(workflow: Workflow, sandbox: SandboxClient, name: str):
    """At once, and Adobe has been asked once (a second time with a new token)."""
    case, mapping_id = POST_CASES[name], new_mapping()
    sandbox.script(mapping_id, submit=list(case.submit), status=["success"])

    answer = workflow.post(mapping_id)

    described = rows("POST")[name][2]
    content = answer.json()
    if "404" in described:
        assert (answer.status_code, content["type"]) == (404, "urn:adobe-relay:no-such-mapping")
    elif "nothing started" in described:
        assert set(content) == {"info", "status"}
    elif "id of ours" in described:
        assert (content["status"], content["requestId"] > 10**15) == ("In Progress", True)
    else:
        assert content["status"] in ("Success", "In Progress")
        assert content["requestId"] in sandbox.ingestions()[mapping_id]["requestIds"]
    expected = set() if "nothing started" in described else {f"{mapping_id}-{content['requestId']}"}
    assert workflow.names(mapping_id) == expected
    sandbox.script(mapping_id)
    for execution in expected:
        workflow.end(workflow.arn(execution))
    posts = sandbox.ingestions()[mapping_id]["posts"]
    if "nothing started" in described:
        assert posts == 1
    else:
        assert posts == case.posts if case.state == "SUCCEEDED" else posts > 1  # until it was taken
    if name == "401":  # the function distrusts new tokens for seconds, those of other tests, too
        wait_until(lambda: is_token_renewed(workflow, sandbox), "no token is renewed")


def is_token_renewed(workflow: Workflow, sandbox: SandboxClient) -> bool:
    """Whether the ingestion endpoint gets a new token when Adobe says that its token has expired."""
    mapping_id = new_mapping()
    sandbox.script(mapping_id, submit=[EXPIRED, "submitted"])
    return workflow.post(mapping_id).json()["requestId"] in sandbox.ingestions()[mapping_id]["requestIds"]


def test_over_https_an_ingestion_is_followed_to_its_end(workflow: Workflow, sandbox: SandboxClient):
    """POST: submitted. GET: in progress, then finished, in Campaign's five fields; also with a JSON body."""
    mapping_id = new_mapping()
    sandbox.script(mapping_id, status=["in_progress"])

    submitted = workflow.post(mapping_id).json()
    again = workflow.post(mapping_id).json()
    during = workflow.get(mapping_id, submitted["requestId"]).json()
    sandbox.script(mapping_id, status=["success"])
    workflow.end(workflow.arn(f"{mapping_id}-{submitted['requestId']}"))
    after = workflow.get(mapping_id, submitted["requestId"]).json()
    by_body = workflow.get(mapping_id, None, requestId=submitted["requestId"]).json()

    request_id = submitted["requestId"]
    info = f"Ingestion request submitted successfully for the Mapping ID: {mapping_id}"
    assert submitted == {"requestId": request_id, "info": info, "status": "Success"}
    assert (again["status"], again["requestId"]) == ("In Progress", request_id)
    fields = {"batchId": "", "requestId": request_id}
    assert during == fields | {"info": f"Mapping Id: {mapping_id}.", "numRecords": 0, "status": "In Progress"}
    assert after == fields | {"info": f"Mapping Id: {mapping_id}. ", "numRecords": 15, "status": "Success"}
    assert by_body == after
    assert workflow.names(mapping_id) == {f"{mapping_id}-{request_id}"}
    assert sandbox.ingestions()[mapping_id]["posts"] == 1


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("failed_on_upload", {"status": "Failed", "batchId": "01ABC", "numRecords": 0}),
        ("aborted", {"status": "Aborted", "batchId": "", "numRecords": 0}),
    ],
)
def test_over_https_a_failure_is_told_in_adobes_words(
    workflow: Workflow, sandbox: SandboxClient, status: str, expected: dict[str, Any]
):
    """By the first id, also after Adobe was asked for two more requests."""
    mapping_id = new_mapping()
    sandbox.script(mapping_id, status=[status])

    request_id = workflow.post(mapping_id).json()["requestId"]
    workflow.end(workflow.arn(f"{mapping_id}-{request_id}"))
    told = workflow.get(mapping_id, request_id).json()

    assert {name: told[name] for name in expected} == expected
    assert told["info"].startswith(f"Mapping Id: {mapping_id}. ")
    assert sandbox.ingestions()[mapping_id]["posts"] == (3 if status == "aborted" else 1)


def test_while_adobe_is_down_a_mapping_is_asked_for_under_one_id_of_ours(workflow: Workflow, sandbox: SandboxClient):
    """A second POST gets the same id and starts nothing; when Adobe is back, the execution submits, once."""
    mapping_id = new_mapping()
    sandbox.script(mapping_id, submit=[{"status": 503}])

    first, second = workflow.post(mapping_id).json(), workflow.post(mapping_id).json()
    names = workflow.names(mapping_id)
    during = workflow.get(mapping_id, first["requestId"]).json()
    sandbox.script(mapping_id)
    ended = workflow.end(workflow.arn(f"{mapping_id}-{first['requestId']}"))
    after = workflow.get(mapping_id, first["requestId"]).json()
    later = workflow.post(mapping_id).json()

    assert (first["requestId"], first["status"]) == (second["requestId"], second["status"])
    assert names == {f"{mapping_id}-{first['requestId']}"}
    assert during["status"] == "In Progress"
    assert [attempt["adopted"] for attempt in ended.runs[0]["attempts"]] == [False]
    assert (after["status"], after["requestId"], after["numRecords"]) == ("Success", first["requestId"], 15)
    assert later["status"] == "Success"
    assert len(sandbox.ingestions()[mapping_id]["requestIds"]) == 2


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        pytest.param("/other/campaign/dataIngestion/xdmIngestion/42/ingest", {403}, id="foreign organization"),
        pytest.param("/example/campaign/dataIngestion/xdmIngestion/4%2F2/ingest", {400, 404}, id="a slash"),
        pytest.param("/example/campaign/dataIngestion/xdmIngestion/..%2F42/ingest", {400, 404}, id="a way up"),
        pytest.param("/example/campaign/dataIngestion/xdmIngestion/42-1/ingest", {400}, id="a hyphen"),
        pytest.param(f"/example/campaign/dataIngestion/xdmIngestion/{'4' * 40}/ingest", {400}, id="too long"),
    ],
)
def test_a_path_that_is_not_ours_triggers_nothing(stack: Stack, sandbox: SandboxClient, path: str, statuses: set[int]):
    """A problem that names the field; API Gateway may find that an encoded slash is another path."""
    answer = requests.post(stack.api_url + path, headers={"x-api-key": stack.api_key}, timeout=40)

    assert answer.status_code in statuses
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "organization" in answer.json()["detail"] or "mappingId" in answer.json()["detail"]
    assert sandbox.statuses("ingest") == []


@pytest.mark.parametrize(
    ("request_id", "status"), [("1", 404), ("", 400), ("../1", 400), ("1" * 41, 400), ("1:2", 400), (None, 400)]
)
def test_a_request_that_nobody_started_is_a_problem(workflow: Workflow, request_id: str | None, status: int):
    """404 for one that does not exist, 400 for one that cannot."""
    answer = workflow.get(new_mapping(), request_id)

    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_ingestion_needs_a_key(workflow: Workflow, sandbox: SandboxClient):
    """403, nothing triggered."""
    assert workflow.post(new_mapping(), x_api_key="wrong").status_code == 403
    assert sandbox.statuses("ingest") == []


def test_an_execution_that_a_person_stopped_is_told_truthfully(
    stack: Stack, workflow: Workflow, sandbox: SandboxClient
):
    """Not as still running, and not as finished."""
    mapping_id = new_mapping()
    sandbox.script(mapping_id, status=["in_progress"])
    request_id = workflow.post(mapping_id).json()["requestId"]

    client("stepfunctions", stack.aws_endpoint_url).stop_execution(
        executionArn=workflow.arn(f"{mapping_id}-{request_id}")
    )

    def told() -> Any:
        return workflow.get(mapping_id, request_id).json()

    wait_until(lambda: told()["status"] != "In Progress", "it is still told as running", 30)
    assert told()["status"] == "Failed"
    assert "ABORTED" in told()["info"]
    assert sandbox.ingestions()[mapping_id]["posts"] == 1


def test_a_poll_function_that_dies_ends_no_run(stack: Stack, workflow: Workflow, sandbox: SandboxClient):
    """The state machine looks after the deadline itself, and goes on when the function is back."""
    mapping_id = new_mapping()
    functions = client("lambda", stack.aws_endpoint_url)
    names = [function["FunctionName"] for function in functions.list_functions()["Functions"]]
    (poll,) = (name for name in names if "PollIngest" in name)
    handler = functions.get_function_configuration(FunctionName=poll)["Handler"]
    functions.update_function_configuration(FunctionName=poll, Handler="app.no_such_handler")
    try:
        late_mapping = new_mapping()
        late = workflow.run({"mappingIds": [late_mapping], "deadlineSeconds": 1})
        arn = workflow.start({"mappingIds": [mapping_id], "deadlineSeconds": 60})
        wait_until(lambda: sandbox.ingestions().get(mapping_id, {}).get("posts"), "nothing was submitted", 30)
    finally:
        functions.update_function_configuration(FunctionName=poll, Handler=handler)

    ended = workflow.end(arn)

    assert (late.runs[0]["state"], ended.runs[0]["state"]) == ("TIMED_OUT", "SUCCEEDED")
    assert "function of the relay failed" in late.cause
    recorded = sandbox.ingestions()
    assert (recorded[late_mapping]["posts"], recorded[mapping_id]["posts"]) == (1, 1)
