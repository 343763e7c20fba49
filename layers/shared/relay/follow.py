"""Have an execution see an ingestion to its end: under Adobe's request id, or under one of ours while there is none.

Executions are named `<mapping>-<request>`, so that a request has one. Ours are claimed by mapping in a table, so that a
submission that Adobe has not answered has one as well.
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


class Unanswered(Protocol):
    def find(self, mapping_id: str) -> str | None: ...

    def claim(self, mapping_id: str, request_id: str, instead_of: str | None) -> bool: ...


class Waiting(NamedTuple):
    """An id of ours for a submission, and the status of its execution; "" when that is not known."""

    request_id: str
    status: str

    @property
    def is_running(self) -> bool:
        return self.status == "RUNNING"


class Follower:
    """Starts and finds executions; `new_request_id` makes ids of ours."""

    def __init__(self, workflow: Workflow, unanswered: Unanswered, new_request_id: Callable[[], str]) -> None:
        self._workflow = workflow
        self._unanswered = unanswered
        self._new_request_id = new_request_id

    def find(self, mapping_id: str, request_id: str) -> Execution | None:
        """The execution under that id; None when there is none. Raises WorkflowError."""
        return self._workflow.find(_name(mapping_id, request_id))

    def waiting(self, mapping_id: str) -> Waiting | None:
        """The submission of the mapping that an execution does the asking for, or did last; None if that is unknown."""
        try:
            request_id = self._unanswered.find(mapping_id)
        except WorkflowError:
            logger.warning("unanswered submissions cannot be read", extra={"mappingId": mapping_id})
            return None
        if not request_id:
            return None
        try:
            execution = self.find(mapping_id, request_id)
        except WorkflowError:  # Adobe knows whether it runs
            return Waiting(request_id, "")
        return Waiting(request_id, execution.status if execution else "")

    def follow(self, mapping_id: str, report: Report) -> str:
        """The id under which an execution sees the request to its end that Adobe has taken. Raises WorkflowError."""
        attempt = {"requestId": report.request_id, "adopted": report.status is Status.IN_PROGRESS}
        return self._start(mapping_id, report.request_id, {"submitted": {mapping_id: attempt}})

    def submit_later(self, mapping_id: str, waiting: Waiting | None, seconds: int) -> str:
        """The id of ours under which an execution submits the mapping, after so many seconds. Raises WorkflowError."""
        return self._start(mapping_id, self._claim(mapping_id, waiting), {"waitSeconds": seconds})

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

    def _claim(self, mapping_id: str, waiting: Waiting | None) -> str:
        """An id of ours: a new one, or that of a request that came at the same time and was first."""
        if waiting and not waiting.status:  # its execution is just being started
            return waiting.request_id
        request_id = self._new_request_id()
        try:
            if self._unanswered.claim(mapping_id, request_id, waiting and waiting.request_id):
                return request_id
            return self._unanswered.find(mapping_id) or request_id
        except WorkflowError:  # a second execution may ask as well; Adobe runs one ingestion all the same
            logger.warning("unanswered submissions cannot be written", extra={"mappingId": mapping_id})
            return request_id


def _name(mapping_id: str, request_id: str) -> str:
    """Of an execution: a mapping ID has no -, so no other pair has the same name."""
    return f"{mapping_id}-{request_id}"
