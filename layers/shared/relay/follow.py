"""Have an execution see an ingestion to its end: under Adobe's request id, or under one of ours while there is none.

Executions are named `<mapping>-<request>`, so that a request has one. A mapping has one as well, also without an answer
of Adobe's and after a resubmission: before an execution is started, its id and input are claimed in a table. Whoever
finds a claim without an execution starts that one.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from aws_lambda_powertools import Logger

from relay.core.claim import Claim
from relay.core.deadline import Deadline
from relay.core.report import Report, Status
from relay.errors import WorkflowError

logger = Logger(child=True)

# Seconds in which an execution must have been started. Whoever claimed one earlier has died, and Adobe knows better.
_STARTING_SECONDS = 300


class Execution(Protocol):
    @property
    def status(self) -> str: ...

    @property
    def runs(self) -> list[dict[str, Any]]: ...


class Workflow(Protocol):
    def start(self, name: str, content: dict[str, Any], deadline: Deadline) -> bool: ...

    def find(self, name: str, deadline: Deadline) -> Execution | None: ...


class Claims(Protocol):
    def find(self, mapping_id: str, deadline: Deadline) -> Claim | None: ...

    def claim(self, mapping_id: str, claim: Claim, instead_of: str | None, deadline: Deadline) -> bool: ...


class Submission(NamedTuple):
    """The last submission of a mapping: under which id it is followed, and whether that goes on."""

    request_id: str
    is_running: bool


class Follower:
    """Starts and finds executions; `new_request_id` makes ids of ours."""

    def __init__(
        self, workflow: Workflow, claims: Claims, new_request_id: Callable[[], str], now: Callable[[], float]
    ) -> None:
        self._workflow = workflow
        self._claims = claims
        self._new_request_id = new_request_id
        self._now = now

    def find(self, mapping_id: str, request_id: str, deadline: Deadline) -> Execution | None:
        """The execution under that id; None when there is none. Raises WorkflowError."""
        return self._workflow.find(_name(mapping_id, request_id), deadline)

    def last(self, mapping_id: str, deadline: Deadline) -> Submission | None:
        """The last submission of the mapping over HTTPS; None if there is none. Raises WorkflowError."""
        claim = self._claims.find(mapping_id, deadline)
        if not claim:
            return None
        execution = self.find(mapping_id, claim.request_id, deadline)
        if execution:
            return Submission(claim.request_id, execution.status == "RUNNING")
        is_starting = self._now() - claim.claimed_at < _STARTING_SECONDS
        if is_starting:  # just now, or whoever claimed it has died: a second start does no harm
            self._workflow.start(_name(mapping_id, claim.request_id), claim.content, deadline)
        return Submission(claim.request_id, is_starting)

    def follow(self, mapping_id: str, last: Submission | None, report: Report, deadline: Deadline) -> str:
        """The id under which an execution sees the request to its end that Adobe has taken. Raises WorkflowError."""
        attempt = {"requestId": report.request_id, "adopted": report.status is Status.IN_PROGRESS}
        claim = self._new_claim(mapping_id, report.request_id, {"submitted": {mapping_id: attempt}})
        self._claim(mapping_id, claim, last and last.request_id, deadline)
        # Started also if another claim came first: that one knows nothing of this request.
        return self._start(mapping_id, claim, deadline)

    def submit_later(self, mapping_id: str, last: Submission | None, seconds: int, deadline: Deadline) -> str:
        """The id under which an execution submits the mapping, after so many seconds. Raises WorkflowError."""
        claim = self._new_claim(mapping_id, self._new_request_id(), {"waitSeconds": seconds})
        return self._start(mapping_id, self._claim(mapping_id, claim, last and last.request_id, deadline), deadline)

    def _start(self, mapping_id: str, claim: Claim, deadline: Deadline) -> str:
        """The id under which an execution runs: one of ours when that of the claim has ended."""
        if self._workflow.start(_name(mapping_id, claim.request_id), claim.content, deadline):
            return claim.request_id
        execution = self.find(mapping_id, claim.request_id, deadline)
        if execution and execution.status != "RUNNING":
            another = claim._replace(request_id=self._new_request_id())
            claim = self._claim(mapping_id, another, claim.request_id, deadline)
            self._workflow.start(_name(mapping_id, claim.request_id), claim.content, deadline)
        return claim.request_id

    def _new_claim(self, mapping_id: str, request_id: str, content: dict[str, Any]) -> Claim:
        return Claim(request_id, {"mappingIds": [mapping_id], "startedBy": "https", **content}, self._now())

    def _claim(self, mapping_id: str, claim: Claim, instead_of: str | None, deadline: Deadline) -> Claim:
        """The claim that stands now: this one, or that of a request that came at the same time."""
        try:
            if self._claims.claim(mapping_id, claim, instead_of, deadline):
                return claim
            return self._claims.find(mapping_id, deadline) or claim
        except WorkflowError:  # better a second execution than none
            logger.warning("a claim cannot be written", extra={"mappingId": mapping_id})
            return claim


def _name(mapping_id: str, request_id: str) -> str:
    """Of an execution: a mapping ID has no -, so no other pair has the same name."""
    return f"{mapping_id}-{request_id}"
