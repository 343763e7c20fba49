"""POST and GET …/ingest through the deployed template, in Campaign's own form."""

import json
from typing import Any

import pytest
import requests

from local.process import wait_until
from local.stack import Stack, client
from tests.stack.conftest import kill, readme_block, shell
from tests.stack.ingestions import EXPIRED, POST_CASES, Workflow, new_mapping, rows
from tests.support import SandboxClient


def test_the_readmes_curl_commands_work(stack: Stack, workflow: Workflow, sandbox: SandboxClient):
    """As they are printed there, with the id that POST has answered."""
    post, get = readme_block("/ingest").splitlines()
    environment = {"API_URL": stack.api_url, "API_KEY": stack.api_key, "ORGANIZATION": stack.organization}

    posted = shell(post, **environment)
    request_id = json.loads(posted.splitlines()[-1])["requestId"]
    got = shell(get.replace("3520", str(request_id)), **environment)

    assert [answer.splitlines()[0].split()[1] for answer in (posted, got)] == ["200", "200"]
    workflow.end(workflow.arn(f"42-{request_id}"))


@pytest.mark.parametrize("name", POST_CASES)
def test_https_answers_as_the_readme_says(stack: Stack, workflow: Workflow, sandbox: SandboxClient, name: str):
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
        kill(stack, "IngestApi")
        wait_until(lambda: is_token_renewed(workflow, sandbox), "no token is renewed")


def is_token_renewed(workflow: Workflow, sandbox: SandboxClient) -> bool:
    """Whether the ingestion endpoint gets a new token when Adobe says that its token has expired."""
    mapping_id = new_mapping()
    sandbox.script(mapping_id, submit=[EXPIRED, "submitted"])
    answer = workflow.post(mapping_id, dying=True)
    return answer.ok and answer.json()["requestId"] in sandbox.ingestions()[mapping_id]["requestIds"]


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
