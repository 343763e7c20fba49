"""Every answer of Campaign's that the README has a row for, and a client of the deployed workflow."""

import itertools
import json
import re
from dataclasses import dataclass
from typing import Any

import requests

from local.process import wait_until
from local.stack import Stack, client
from tests.openapi import check
from tests.support import PROJECT

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


# Seconds: as its deadline comes near, a run asks Adobe as fast as it can, which keeps the machine from all else.
SHORT_DEADLINE = 4

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
    "429": Case("TIMED_OUT", None, (TROUBLES["429"],), deadline=SHORT_DEADLINE),
}
GET_CASES = {
    "Success": Case("SUCCEEDED", status=("success",)),
    "In Progress": Case("TIMED_OUT", status=("in_progress",), deadline=SHORT_DEADLINE),
    "Failed, ACP-880056": Case("FAILED", status=("failed_on_fetch",)),
    "Failed, ACP-880096": Case("FAILED", status=("failed_on_upload",)),
    "Aborted once": Case("SUCCEEDED", 2, status=("aborted", "success")),
    "Aborted": Case("ABORTED", 3, status=("aborted",)),
    "unknown status once": Case("SUCCEEDED", status=(UNKNOWN_GET, "success")),
    "another request once": Case("SUCCEEDED", status=(OTHER, "success")),
    **{f"{name} once": Case("SUCCEEDED", status=(trouble, "success")) for name, trouble in TROUBLES.items()},
    "unknown status": Case("TIMED_OUT", status=(UNKNOWN_GET,), deadline=SHORT_DEADLINE),
    **{name: Case("TIMED_OUT", status=(trouble,), deadline=SHORT_DEADLINE) for name, trouble in TROUBLES.items()},
}
# These need a fault of the network, and have tests of their own, here and in tests/integration/test_campaign.py.
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

    def post(self, mapping_id: str, *, dying: bool = False, **headers: str) -> requests.Response:
        """When the function may be `dying`, the answer can be the emulator's own 502, where AWS has DEFAULT_5XX."""
        answer = requests.post(self.url(mapping_id), headers=self._headers(headers), timeout=40)
        return answer if dying and answer.status_code == 502 else self._check(answer)

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


def rows(method: str) -> dict[str, list[str]]:
    """The README's row for every answer of Adobe's to the method."""
    table = README.split(f"| to {method} Adobe answers |")[1].split("\n\n")[0]
    cells = [row.strip("|").split("|") for row in table.splitlines()[2:]]
    return {answer: row[1:] for row in cells for answer in re.findall("`([^`]+)`", row[0])}
