"""POST and GET …/ingest: Campaign's own form, an execution behind it."""

import base64
import gzip
import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.ingest_api.app import handler
from relay.campaign import CampaignClient
from relay.core.claim import Claim
from relay.core.deadline import Deadline
from relay.core.run import Attempt, Run
from relay.core.verdict import Answer
from relay.errors import AdobeError, NoAnswer, OutOfTime, WorkflowError
from relay.follow import Follower
from relay.http_request import MAX_BODY_BYTES
from relay.ingest_api import WORKFLOW_SECONDS, IngestApi
from tests.support import NOW, PROJECT, Clock, FakeAuthorizer, FakeCampaign, context, measured, report

SAMPLE = json.loads((PROJECT / "events/ingest_api.json").read_text())
OURS = "1800000000000001"
ENDED = Run("42", "https", int(NOW), int(NOW) + 14_400, "SUCCEEDED", (Attempt("3520", False),), ended_at=int(NOW))


@dataclass
class FakeExecution:
    status: str = "RUNNING"
    runs: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class FakeWorkflow:
    """Executions by name; or it fails. Every call takes so many seconds of the clock, and 3 at most."""

    executions: dict[str, FakeExecution] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    fails: bool = False
    clock: Clock = field(default_factory=Clock)
    takes: float = 0.0

    def start(self, name: str, content: dict[str, Any], deadline: Deadline) -> bool:
        self._call(deadline)
        if name in self.executions:
            return self.inputs.get(name) == content and self.executions[name].status == "RUNNING"
        self.executions[name] = FakeExecution()
        self.inputs[name] = content
        return True

    def find(self, name: str, deadline: Deadline) -> FakeExecution | None:
        self._call(deadline)
        return self.executions.get(name)

    def _call(self, deadline: Deadline) -> None:
        if self.fails or not deadline.fits(3):
            raise WorkflowError
        self.clock.seconds += self.takes


@dataclass
class FakeClaims:
    """Claims by mapping, or it fails. `rival` is one that another request makes just before ours."""

    claims: dict[str, Claim] = field(default_factory=dict)
    unreadable: bool = False
    unwritable: bool = False
    rival: Claim | None = None

    def find(self, mapping_id: str, deadline: Deadline) -> Claim | None:
        if self.unreadable or not deadline.fits(3):
            raise WorkflowError
        return self.claims.get(mapping_id)

    def claim(self, mapping_id: str, claim: Claim, instead_of: str | None, deadline: Deadline) -> bool:
        if self.unwritable or not deadline.fits(3):
            raise WorkflowError
        if self.rival:
            self.claims[mapping_id] = self.rival
        if mapping_id in self.claims and self.claims[mapping_id].request_id != instead_of:
            return False
        self.claims[mapping_id] = claim
        return True


def claim(request_id: str, seconds_ago: float = 0, **content: Any) -> Claim:
    return Claim(request_id, {"mappingIds": ["42"], "startedBy": "https", **content}, NOW - seconds_ago)


@dataclass
class World:
    """The ingest API and all around it."""

    answers: list[Answer | AdobeError]
    workflow: FakeWorkflow = field(default_factory=FakeWorkflow)
    claims: FakeClaims = field(default_factory=FakeClaims)

    def __post_init__(self) -> None:
        self.campaign = FakeCampaign(self.answers)
        self.clock = self.workflow.clock

    def call(
        self, event: dict[str, Any], organization: str = "example", seconds: float = 28
    ) -> tuple[int, dict[str, str], Any]:
        client = CampaignClient(self.campaign, FakeAuthorizer(), self.clock)
        follower = Follower(self.workflow, self.claims, lambda: OURS, self.clock)
        api = IngestApi(client, follower, organization, 10, self.clock)
        answer = handler(event, context(seconds), api)
        return answer["statusCode"], answer["headers"], json.loads(answer["body"])

    def post(self, seconds: float = 28) -> tuple[int, dict[str, str], Any]:
        return self.call(SAMPLE, seconds=seconds)

    def get(self, request_id: Any = "3520") -> Any:
        return self.call({**SAMPLE, "httpMethod": "GET", "queryStringParameters": {"requestId": request_id}})


@pytest.mark.parametrize("status", ["Success", "In Progress"])
def test_a_request_that_adobe_took_is_answered_as_adobe_did_and_followed(status: str):
    """By an execution that is named for it, so that a second one cannot be started."""
    world = World([report(status, info="i")])

    assert world.post()[::2] == (200, {"requestId": 3520, "info": "i", "status": status})
    assert world.workflow.inputs == {
        "42-3520": {
            "mappingIds": ["42"],
            "submitted": {"42": {"requestId": "3520", "adopted": status == "In Progress"}},
            "startedBy": "https",
        }
    }


def test_adobe_is_given_all_the_time_but_what_starting_an_execution_may_take():
    """And half a second for the answer."""
    world = World([report("Success")])

    world.post()

    assert world.campaign.left == [28 - 0.5 - WORKFLOW_SECONDS]


def test_the_time_that_looking_took_is_not_given_again():
    """The deadline is that of the whole request."""
    world = World([report("Success")], FakeWorkflow(takes=2), FakeClaims({"42": claim("1")}))
    world.workflow.executions["42-1"] = FakeExecution("SUCCEEDED")

    world.post()

    assert world.campaign.left == [28 - 2 - 0.5 - WORKFLOW_SECONDS]


def test_what_there_is_no_time_for_is_left_to_an_execution():
    """Nothing was sent to Adobe; the execution submits it soon."""
    world = World([OutOfTime()])

    status, _, content = world.post()

    assert (status, content["status"], content["requestId"]) == (200, "In Progress", int(OURS))
    assert world.workflow.inputs[f"42-{OURS}"]["waitSeconds"] == 10


def test_without_the_time_to_look_nothing_is_started():
    """Nor is Adobe asked: the client is told to POST again."""
    world = World([report("Success")])

    status, headers, content = world.post(seconds=3.4)

    assert (status, headers["Retry-After"], content["type"]) == (503, "5", "urn:adobe-relay:not-started")
    assert (world.campaign.asked, world.workflow.inputs) == ([], {})


def test_without_the_time_to_look_a_status_is_not_known():
    """And not denied."""
    world = World([])
    world.workflow.executions["42-3520"] = FakeExecution()
    get = {**SAMPLE, "httpMethod": "GET", "queryStringParameters": {"requestId": "3520"}}

    status, _, content = world.call(get, seconds=3.4)

    assert (status, content["type"]) == (503, "urn:adobe-relay:status-unknown")


@pytest.mark.parametrize("request_id", ["3520", 3520, "0042", "a-1", "1" * 17])
def test_a_request_id_that_is_no_number_stays_a_text(request_id: Any):
    """Of more digits than a number holds everywhere, or with a zero in front, it would be another one."""
    content = World([report("Success", requestId=request_id)]).post()[2]

    assert content["requestId"] == (3520 if request_id in ("3520", 3520) else request_id)


def test_a_refusal_is_seen_at_once_and_nothing_is_started():
    """Adobe's answer."""
    world = World([report("Failed", 400, info="XDM Mapping ID: 42 is not published")])

    assert world.post()[::2] == (200, {"info": "XDM Mapping ID: 42 is not published", "status": "Failed"})
    assert world.workflow.inputs == {}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(NoAnswer("no answer in time"), id="no answer"),
        pytest.param(Answer(503, {}, b""), id="down"),
        pytest.param(Answer(403, {}, b""), id="refused"),
        pytest.param(Answer(200, {}, b"<html>"), id="not understood"),
        pytest.param(report("Paused"), id="unknown status"),
        pytest.param(report("Aborted"), id="aborted"),
    ],
)
def test_without_an_answer_the_execution_does_the_asking(answer: Answer | AdobeError):
    """Under an id of ours, which is a number as Adobe's are."""
    world = World([answer])

    status, _, content = world.post()

    assert (status, content["status"], content["requestId"]) == (200, "In Progress", int(OURS))
    ((name, given),) = world.workflow.inputs.items()
    assert (name, given["mappingIds"], given["startedBy"]) == (f"42-{OURS}", ["42"], "https")
    assert "submitted" not in given


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        pytest.param(Answer(429, {"retry-after": "60"}, b""), 60, id="Retry-After"),
        pytest.param(Answer(403, {}, b""), 60, id="for a person"),
        pytest.param(Answer(503, {}, b""), 10, id="down"),
        pytest.param(NoAnswer("no answer in time"), 10, id="no answer"),
    ],
)
def test_the_execution_asks_no_sooner_than_it_may(answer: Answer | AdobeError, seconds: int):
    """Adobe was asked just now."""
    world = World([answer])

    world.post()

    assert world.workflow.inputs[f"42-{OURS}"]["waitSeconds"] == seconds


@pytest.mark.parametrize("status", ["Success", "In Progress"])
@pytest.mark.parametrize("ended", ["SUCCEEDED", "FAILED", "TIMED_OUT"])
def test_an_id_whose_execution_has_ended_is_followed_under_one_of_ours(status: str, ended: str):
    """Adobe goes on with a request that timed out here, or uses an id anew."""
    world = World([report(status)])
    world.workflow.executions["42-3520"] = FakeExecution(ended)

    content = world.post()[2]

    assert (content["status"], content["requestId"]) == (status, int(OURS))
    assert world.workflow.inputs[f"42-{OURS}"]["submitted"]["42"]["requestId"] == "3520"


@pytest.mark.parametrize("request_id", ["3520", OURS])
def test_a_claim_without_an_execution_is_made_good(request_id: str):
    """Whoever claimed it is just starting it, or has died; Adobe is not asked, or it could ingest once more."""
    claimed = claim(request_id, 299, waitSeconds=60)
    world = World([report("Success", requestId=3521)], claims=FakeClaims({"42": claimed}))

    posted = world.post()[2]
    got = world.get(request_id)[2]

    assert (posted["requestId"], posted["status"], got["status"]) == (int(request_id), "In Progress", "In Progress")
    assert (world.campaign.asked, world.workflow.inputs) == ([], {f"42-{request_id}": claimed.content})


def test_get_does_not_deny_an_ingestion_that_is_just_being_started():
    """By its id only."""
    world = World([], claims=FakeClaims({"42": claim("3520")}))

    assert world.get("3520")[2]["status"] == "In Progress"
    assert world.get("3521")[0] == 404


def test_an_old_claim_without_an_execution_is_forgotten():
    """Adobe knows better what has become of the request."""
    world = World([report("Success", requestId=3521)], claims=FakeClaims({"42": claim("3520", 300)}))

    assert world.post()[2]["requestId"] == 3521
    assert set(world.workflow.inputs) == {"42-3521"}


def test_while_executions_cannot_be_started_adobe_ingests_once():
    """The client is told to POST again, and then what it noted is followed; Adobe is asked once."""
    world = World([report("Success"), report("Success", requestId=3521)])
    world.workflow.fails = True
    first, second = world.post()[0], world.post()[0]
    world.workflow.fails = False

    assert (first, second, world.post()[2]["requestId"]) == (503, 503, 3520)
    assert len(world.campaign.asked) == 1
    assert world.workflow.inputs["42-3520"]["submitted"]["42"]["requestId"] == "3520"


def test_while_a_request_is_followed_nothing_else_is_asked_or_started():
    """Also when Adobe aborted it meanwhile, and its execution follows another one."""
    world = World([report("Success"), report("In Progress", requestId=3521)])

    first, second = world.post()[2], world.post()[2]

    assert (first["requestId"], second["requestId"]) == (3520, 3520)
    assert (second["status"], "already sees to" in second["info"]) == ("In Progress", True)
    assert len(world.campaign.asked) == 1
    assert set(world.workflow.inputs) == {"42-3520"}


def test_when_that_is_over_the_next_request_takes_its_place():
    """In the table, too."""
    world = World([report("Success"), report("Success", requestId=3521)])
    world.post()
    world.workflow.executions["42-3520"].status = "SUCCEEDED"

    assert world.post()[2]["requestId"] == 3521
    assert world.claims.claims["42"].request_id == "3521"


def test_an_answer_without_a_request_is_passed_on_and_nothing_is_started():
    """Adobe has taken it, and it cannot be followed; to submit it again could start another ingestion."""
    world = World([report("Success", requestId=None, info="i")])

    assert world.post()[::2] == (200, {"info": "i", "status": "Success"})
    assert (len(world.campaign.asked), world.workflow.inputs) == (1, {})


def test_of_two_answers_about_one_request_one_execution_comes():
    """Both POSTs came before the first was followed."""
    world = World([report("In Progress")])
    world.workflow.executions["42-3520"] = FakeExecution()

    assert world.post()[2]["requestId"] == 3520
    assert world.workflow.inputs == {}


def test_while_an_execution_does_the_asking_nothing_else_is_asked_or_started():
    """The same id for everybody."""
    world = World([Answer(503, {}, b"")])
    first, second = world.post()[2], world.post()[2]

    assert (first["requestId"], second["requestId"]) == (int(OURS), int(OURS))
    assert "not taken the request, or not said so" in first["info"]
    assert (second["status"], "already sees to" in second["info"]) == ("In Progress", True)
    assert len(world.campaign.asked) == 1
    assert len(world.workflow.inputs) == 1


def test_when_that_execution_is_over_adobe_is_asked_again():
    """Its id is no longer in the way."""
    world = World([Answer(503, {}, b"")], claims=FakeClaims({"42": claim("1")}))
    world.workflow.executions["42-1"] = FakeExecution("FAILED")

    assert world.post()[2]["requestId"] == int(OURS)
    assert world.claims.claims["42"].request_id == OURS


def test_of_two_requests_at_the_same_time_one_id_wins():
    """And both make sure that its execution is started."""
    rival = claim("7", submitted={"42": {"requestId": "7", "adopted": False}})
    world = World([Answer(503, {}, b"")], claims=FakeClaims(rival=rival))

    assert world.post()[2]["requestId"] == 7
    assert world.workflow.inputs == {"42-7": rival.content}


def test_when_the_table_cannot_be_read_nothing_is_started():
    """An execution could be at it already: the client is told to POST again."""
    world = World([report("Success")], claims=FakeClaims(unreadable=True))

    status, headers, content = world.post()

    assert (status, headers["Retry-After"], content["type"]) == (503, "5", "urn:adobe-relay:not-started")
    assert (world.campaign.asked, world.workflow.inputs) == ([], {})


@pytest.mark.parametrize(("answer", "request_id"), [(report("Success"), 3520), (Answer(503, {}, b""), int(OURS))])
def test_when_the_table_cannot_be_written_an_execution_is_started_all_the_same(answer: Answer, request_id: int):
    """Adobe was asked: better a second execution than none."""
    world = World([answer], claims=FakeClaims(unwritable=True))

    assert world.post()[2]["requestId"] == request_id
    assert set(world.workflow.inputs) == {f"42-{request_id}"}


def test_two_that_replace_a_used_up_name_get_one_id():
    """The second finds the first one's claim."""
    world = World([report("In Progress")], claims=FakeClaims({"42": claim(OURS)}))
    world.workflow.executions |= {"42-3520": FakeExecution("TIMED_OUT"), f"42-{OURS}": FakeExecution("FAILED")}
    world.claims.rival = claim("9")

    assert world.post()[2]["requestId"] == 9
    assert set(world.workflow.inputs) == {"42-9"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (report("Success"), "Adobe has taken request 3520"),
        (Answer(503, {}, b""), "Adobe has not taken the request"),
    ],
)
def test_when_the_workflow_cannot_be_started_the_client_hears_what_adobe_has(answer: Answer, words: str):
    """503, and that a second POST does no harm."""
    status, headers, content = World([answer], FakeWorkflow(fails=True)).post()

    assert (status, headers["Retry-After"]) == (503, "5")
    assert words in content["detail"]
    assert "POST again" in content["detail"]


def test_a_mapping_that_adobe_does_not_know_is_a_404(capsys: pytest.CaptureFixture[str]):
    """At once; nothing is started, and no operator is called."""
    world = World([Answer(404, {}, b"RST-360011 An error has occurred")])

    status, _, content = world.post()

    assert (status, content["type"]) == (404, "urn:adobe-relay:no-such-mapping")
    assert "RST-360011" in content["detail"]
    assert world.workflow.inputs == {}
    assert measured(capsys.readouterr().out) == {
        "IngestionRequests": 1,
        "IngestionSubmissions": 1,
        "RequestsRefused": 1,
    }


def test_what_a_person_must_mend_is_counted_and_logged_as_such(logged: io.StringIO, capsys: pytest.CaptureFixture[str]):
    """The alarm comes at once, and the log says why; the client need not know."""
    status, _, content = World([Answer(403, {}, b'{"error_code": "403023"}')]).post()

    (line, _) = map(json.loads, logged.getvalue().splitlines())
    assert (status, content["status"]) == (200, "In Progress")
    assert measured(capsys.readouterr().out)["SetupErrors"] == 1
    assert (line["verdict"], line["reason"]) == ("setup", "Adobe answers HTTP 403 403023")


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        pytest.param(
            ENDED._replace(info="Mapping Id: 42. ", num_records=15),
            {"batchId": "", "info": "Mapping Id: 42. ", "numRecords": 15, "status": "Success"},
            id="succeeded",
        ),
        pytest.param(
            ENDED._replace(state="FAILED", info="Mapping Id: 42. ACP-880096 …", batch_id="01ABC", reason="r"),
            {"batchId": "01ABC", "info": "Mapping Id: 42. ACP-880096 …", "numRecords": 0, "status": "Failed"},
            id="failed",
        ),
        pytest.param(
            ENDED._replace(state="FAILED", attempts=(), reason="Adobe does not take the submission"),
            {"info": "Mapping Id: 42. Adobe does not take the submission", "status": "Failed"},
            id="never submitted",
        ),
        pytest.param(
            ENDED._replace(state="ABORTED", info="Mapping Id: 42. Ingestion request aborted", reason="r"),
            {"info": "Mapping Id: 42. Ingestion request aborted", "status": "Aborted"},
            id="aborted",
        ),
        pytest.param(
            ENDED._replace(state="TIMED_OUT", info="Mapping Id: 42.", reason="No end was told within 60 seconds."),
            {"info": "Mapping Id: 42. No end was told within 60 seconds.", "status": "Failed"},
            id="timed out",
        ),
    ],
)
def test_an_end_is_told_in_campaigns_words(run: Run, expected: dict[str, Any]):
    """By the id that the client asked for."""
    world = World([])
    world.workflow.executions["42-3519"] = FakeExecution("FAILED", [run.as_json()])

    status, _, content = world.get("3519")

    assert status == 200
    assert set(content) == {"batchId", "info", "numRecords", "requestId", "status"}
    assert content["requestId"] == 3519
    assert {name: content[name] for name in expected} == expected


def test_a_running_execution_is_in_progress():
    """In all five fields."""
    world = World([])
    world.workflow.executions["42-3520"] = FakeExecution()

    assert world.get()[2] == {
        "batchId": "", "info": "Mapping Id: 42.", "numRecords": 0, "requestId": 3520, "status": "In Progress"
    }  # fmt: skip


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT", "FAILED"])
def test_an_execution_that_told_no_end_is_no_success(status: str):
    """It was stopped, or could not go on."""
    world = World([])
    world.workflow.executions["42-3520"] = FakeExecution(status)

    content = world.get()[2]

    assert content["status"] == "Failed"
    assert status in content["info"]


def test_an_id_that_does_not_exist_is_a_404():
    """As a problem."""
    status, headers, content = World([]).get("1")

    assert (status, headers["Content-Type"]) == (404, "application/problem+json")
    assert content["type"] == "urn:adobe-relay:no-such-ingestion"


def test_a_workflow_that_cannot_be_read_is_a_503():
    """To be asked again."""
    assert World([], FakeWorkflow(fails=True)).get()[0] == 503


@pytest.mark.parametrize("content", ['{"requestId": 3520}', '{"requestId": "3520"}'])
def test_the_request_can_be_named_in_a_json_body(content: str):
    """As Adobe's page shows it."""
    world = World([])
    world.workflow.executions["42-3520"] = FakeExecution()

    assert world.call({**SAMPLE, "httpMethod": "GET", "body": content})[0] == 200


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{",
        "[]",
        "3520",
        '{"requestId": null}',
        '{"requestId": true}',
        '{"requestId": 1.5}',
        '{"requestId": ""}',
        '{"requestId": "../1"}',
        '{"requestId": "1\\n"}',
        pytest.param('{"requestId": 1%s}' % ("0" * 5000), id="5,000 digits"),
        pytest.param("[" * 100_000, id="deep nesting"),
        pytest.param('{"requestId": "3520"%s}' % (" " * MAX_BODY_BYTES), id="too large"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["", "gzip"])
def test_a_request_that_is_not_named_is_a_400(content: str | None, packed: bool):
    """Whatever the body is: it is read within bounds."""
    world = World([])
    world.workflow.executions["42-3520"] = FakeExecution()
    event = {**SAMPLE, "httpMethod": "GET", "body": content}
    if packed:
        body = base64.b64encode(gzip.compress((content or "").encode())).decode()
        event |= {"body": body, "isBase64Encoded": True, "headers": {"content-encoding": "gzip"}}

    status, _, problem = world.call(event)

    assert (status, problem["type"]) == (400, "urn:adobe-relay:invalid-request-id")


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"organization": "other", "mappingId": "42"}, 403),
        ({"organization": "", "mappingId": "42"}, 403),
        ({"mappingId": "42"}, 403),
        (None, 403),
        ({"organization": "example", "mappingId": "4/2"}, 400),
        ({"organization": "example", "mappingId": ".."}, 400),
        ({"organization": "example", "mappingId": "42\n"}, 400),
        ({"organization": "example", "mappingId": "42-1"}, 400),
        ({"organization": "example", "mappingId": "4" * 40}, 400),
        ({"organization": "example"}, 400),
    ],
)
def test_a_path_that_is_not_ours_is_refused(parameters: dict[str, str] | None, status: int):
    """Nothing is asked, nothing started."""
    world = World([report("Success")])

    assert world.call({**SAMPLE, "pathParameters": parameters})[0] == status
    assert (world.campaign.asked, world.workflow.inputs) == ([], {})


def test_without_an_organization_nothing_is_served():
    """The operator has not set ingestion up; a path without one does not match that."""
    nameless = {**SAMPLE, "pathParameters": {"organization": "", "mappingId": "42"}}

    assert World([]).call(SAMPLE, organization="")[0] == 403
    assert World([]).call(nameless, organization="")[0] == 403


def test_requests_are_measured_and_logged(logged: io.StringIO, capsys: pytest.CaptureFixture[str]):
    """By mapping and request."""
    World([report("Success", info="ada@example.com")]).post()

    (line,) = map(json.loads, logged.getvalue().splitlines())
    assert measured(capsys.readouterr().out) == {"IngestionRequests": 1, "IngestionSubmissions": 1}
    facts = [line[name] for name in ("method", "mappingId", "requestId", "status")]
    assert facts == ["POST", "42", 3520, "Success"]
    assert "ada@example.com" not in logged.getvalue()


@pytest.mark.parametrize(("mapping_id", "told"), [("43", "43"), ("ada@example.com", None), (None, None)])
def test_a_refused_request_is_measured_and_logged(
    logged: io.StringIO, capsys: pytest.CaptureFixture[str], mapping_id: str | None, told: str | None
):
    """By its problem; by its mapping only if that is one."""
    World([]).call({**SAMPLE, "pathParameters": {"organization": "other", "mappingId": mapping_id}})

    (line,) = map(json.loads, logged.getvalue().splitlines())
    assert measured(capsys.readouterr().out) == {"IngestionRequests": 1, "RequestsRefused": 1}
    assert (line["problem"], line.get("mappingId")) == ("urn:adobe-relay:organization-not-allowed", told)
    assert "ada@example.com" not in logged.getvalue()


def test_why_an_execution_does_the_asking_is_logged(logged: io.StringIO):
    """For whoever is on call."""
    World([Answer(503, {}, b"")]).post()

    left, served = map(json.loads, logged.getvalue().splitlines())
    assert (left["level"], left["mappingId"], left["reason"]) == ("WARNING", "42", "Adobe answers HTTP 503")
    assert served["requestId"] == int(OURS)
