"""Have an execution see an ingestion to its end: under Adobe's request id, or under one of ours while there is none.

Executions are named `<mapping>-<request>`, so that a request has one. A table has the id under which the last
submission of a mapping is followed, so that a mapping has one as well: also without an answer of Adobe's, and after a
resubmission.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from aws_lambda_powertools import Logger

from relay.core.report import Report, Status
from relay.errors import WorkflowError

logger = Logger(child=True)


class Execution(Protocol):
    @property
    def status(self) -> str: ...

    @property
    def runs(self) -> list[dict[str, Any]]: ...


class Workflow(Protocol):
    def start(self, name: str, content: dict[str, Any]) -> bool: ...

    def find(self, name: str) -> Execution | None: ...


class Submissions(Protocol):
    def find(self, mapping_id: str) -> str | None: ...

    def claim(self, mapping_id: str, request_id: str, instead_of: str | None) -> bool: ...


class Submission(NamedTuple):
    """The id under which a submission is followed, and the status of its execution; "" when that is not known."""

    request_id: str
    status: str

    @property
    def is_running(self) -> bool:
        return self.status == "RUNNING"


class Follower:
    """Starts and finds executions; `new_request_id` makes ids of ours."""

    def __init__(self, workflow: Workflow, submissions: Submissions, new_request_id: Callable[[], str]) -> None:
        self._workflow = workflow
        self._submissions = submissions
        self._new_request_id = new_request_id

    def find(self, mapping_id: str, request_id: str) -> Execution | None:
        """The execution under that id; None when there is none. Raises WorkflowError."""
        return self._workflow.find(_name(mapping_id, request_id))

    def last(self, mapping_id: str) -> Submission | None:
        """The last submission of the mapping over HTTPS; None if there is none, or that is not known."""
        try:
            request_id = self._submissions.find(mapping_id)
        except WorkflowError:
            logger.warning("submissions cannot be read", extra={"mappingId": mapping_id})
            return None
        if not request_id:
            return None
        try:
            execution = self.find(mapping_id, request_id)
        except WorkflowError:  # Adobe knows whether it runs
            return Submission(request_id, "")
        return Submission(request_id, execution.status if execution else "")

    def follow(self, mapping_id: str, last: Submission | None, report: Report) -> str:
        """The id under which an execution sees the request to its end that Adobe has taken. Raises WorkflowError."""
        attempt = {"requestId": report.request_id, "adopted": report.status is Status.IN_PROGRESS}
        request_id = self._start(mapping_id, report.request_id, {"submitted": {mapping_id: attempt}})
        self._claim(mapping_id, request_id, last)
        return request_id

    def submit_later(self, mapping_id: str, last: Submission | None, seconds: int) -> str:
        """The id under which an execution submits the mapping, after so many seconds. Raises WorkflowError."""
        if last and not last.status:  # its execution is just being started
            request_id = last.request_id
        else:
            request_id = self._claim(mapping_id, self._new_request_id(), last)
        return self._start(mapping_id, request_id, {"waitSeconds": seconds})

    def _start(self, mapping_id: str, request_id: str, content: dict[str, Any]) -> str:
        """The id under which an execution runs: one of ours when that of the given one has ended."""
        content = {"mappingIds": [mapping_id], "startedBy": "https", **content}
        if self._workflow.start(_name(mapping_id, request_id), content):
            return request_id
        execution = self.find(mapping_id, request_id)
        if execution and execution.status != "RUNNING":
            request_id = self._new_request_id()
            self._workflow.start(_name(mapping_id, request_id), content)
        return request_id

    def _claim(self, mapping_id: str, request_id: str, last: Submission | None) -> str:
        """The id that the mapping is under now: this one, or that of a request that came at the same time."""
        try:
            if self._submissions.claim(mapping_id, request_id, last and last.request_id):
                return request_id
            return self._submissions.find(mapping_id) or request_id
        except WorkflowError:  # a second execution may ask as well; Adobe runs one ingestion all the same
            logger.warning("submissions cannot be written", extra={"mappingId": mapping_id})
            return request_id


def _name(mapping_id: str, request_id: str) -> str:
    """Of an execution: a mapping ID has no -, so no other pair has the same name."""
    return f"{mapping_id}-{request_id}"
