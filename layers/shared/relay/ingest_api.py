"""Serve one `POST` or `GET …/ingest` in Campaign Standard's own form: ask Adobe, and hand the rest to an execution."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics

from relay.campaign import CampaignClient
from relay.core.problem import our_problem
from relay.core.report import Report, Status, Trouble
from relay.core.run import Run, wait_after
from relay.core.verdict import Verdict
from relay.errors import InvalidRequest, WorkflowError
from relay.http_answer import answer_json, answer_problem
from relay.ingest_request import read_ingest_request
from relay.measure import count

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(child=True)

RETRY_AFTER = 5.0  # seconds, when an execution can be neither started nor read
WORKFLOW_SECONDS = 10.0  # kept back for starting the execution, after Adobe was asked

_NOT_FOLLOWED = Trouble(Verdict.UNCERTAIN, "Adobe's answer names no request, or has no status of a submission")

# A client knows Campaign's words only; why a run timed out is in `info`.
_STATUS_BY_STATE = {"SUCCEEDED": "Success", "FAILED": "Failed", "ABORTED": "Aborted", "TIMED_OUT": "Failed"}


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


class IngestApi:
    """Serves the requests of one organization.

    `new_request_id` makes ids for submissions that Adobe did not answer, which are repeated after `first_wait` seconds
    or more.
    """

    def __init__(
        self,
        campaign: CampaignClient,
        workflow: Workflow,
        unanswered: Unanswered,
        organization: str,
        first_wait: float,
        new_request_id: Callable[[], str],
        now: Callable[[], float],
    ) -> None:
        self._campaign = campaign
        self._workflow = workflow
        self._unanswered = unanswered
        self._organization = organization
        self._first_wait = first_wait
        self._new_request_id = new_request_id
        self._now = now

    def serve(self, event: dict[str, Any], context: "LambdaContext", metrics: Metrics) -> dict[str, Any]:
        """The answer to a Lambda proxy integration event."""
        count(metrics, IngestionRequests=1)
        deadline = self._now() + context.get_remaining_time_in_millis() / 1000 - WORKFLOW_SECONDS
        try:
            request = read_ingest_request(event, self._organization)
            if request.request_id is None:
                content = self._submit(request.mapping_id, deadline)
            else:
                content = self._status(request.mapping_id, request.request_id)
        except InvalidRequest as refusal:
            count(metrics, RequestsRefused=1)
            logger.info("request refused", extra={"problem": refusal.problem.type})
            return answer_problem(refusal.problem, context.aws_request_id, refusal.retry_after)
        logger.info(
            "request served",
            extra={"mappingId": request.mapping_id, "requestId": content.get("requestId"), "status": content["status"]},
        )
        return answer_json(200, context.aws_request_id, content)

    def _submit(self, mapping_id: str, deadline: float) -> dict[str, Any]:
        waiting = self._find_waiting(mapping_id)
        if waiting and waiting.is_running:
            return _in_progress(mapping_id, waiting.request_id)
        outcome = self._campaign.submit(mapping_id, deadline)
        if isinstance(outcome, Trouble):
            return self._submit_later(mapping_id, waiting, outcome)
        if outcome.status is Status.FAILED:
            return {"info": outcome.info, "status": Status.FAILED.value}
        if not outcome.request_id or outcome.status not in (Status.SUCCESS, Status.IN_PROGRESS):
            return self._submit_later(mapping_id, waiting, _NOT_FOLLOWED)
        return self._follow(mapping_id, outcome)

    def _follow(self, mapping_id: str, report: Report) -> dict[str, Any]:
        """Adobe's answer, and an execution that sees the request to its end."""
        adopted = report.status is Status.IN_PROGRESS
        submitted = {mapping_id: {"requestId": report.request_id, "adopted": adopted}}
        content = {"mappingIds": [mapping_id], "submitted": submitted, "startedBy": "https"}
        try:
            request_id = self._start(mapping_id, report.request_id, content)
        except WorkflowError as error:
            detail = (
                f"Adobe has taken request {report.request_id}, but the execution that sees it to its end could not be "
                "started. POST again after Retry-After seconds: Adobe then answers In Progress, and it is followed."
            )
            raise _unavailable("not-followed", "Ingestion not followed", detail) from error
        return _answer(request_id, report.info, report.status.value)

    def _submit_later(self, mapping_id: str, waiting: "_Waiting | None", trouble: Trouble) -> dict[str, Any]:
        """Let an execution do the asking, under an id of ours."""
        if trouble.http_status == 404:
            detail = f"{trouble.reason}. Check the mapping ID; nothing was started."
            raise InvalidRequest(our_problem("no-such-mapping", 404, "Mapping not found", detail))
        wait = wait_after(trouble, self._first_wait)
        content = {"mappingIds": [mapping_id], "waitSeconds": wait, "startedBy": "https"}
        try:
            request_id = self._start(mapping_id, self._claim(mapping_id, waiting), content)
        except WorkflowError as error:
            detail = (
                "Adobe gave no answer, and the execution that would ask it again could not be started. "
                "POST again after Retry-After seconds: a mapping that is already running is not started twice."
            )
            raise _unavailable("not-started", "Ingestion not started", detail) from error
        logger.warning("left to an execution", extra={"mappingId": mapping_id, "reason": trouble.reason})
        return _in_progress(mapping_id, request_id)

    def _start(self, mapping_id: str, request_id: str, content: dict[str, Any]) -> str:
        """The id under which an execution runs: another one when Adobe uses an id anew, or a run of it has ended."""
        if self._workflow.start(_name(mapping_id, request_id), content):
            return request_id
        execution = self._workflow.find(_name(mapping_id, request_id))
        if execution and execution.status != "RUNNING":
            request_id = self._new_request_id()
            self._workflow.start(_name(mapping_id, request_id), content)
        return request_id

    def _status(self, mapping_id: str, request_id: str) -> dict[str, Any]:
        try:
            execution = self._workflow.find(_name(mapping_id, request_id))
        except WorkflowError as error:
            detail = "How the ingestion stands cannot be read now. Ask again after Retry-After seconds."
            raise _unavailable("status-unknown", "Status unknown", detail) from error
        if not execution:
            detail = (
                "The relay has started no ingestion of this mapping with this requestId over HTTPS in 90 days. "
                "If that was within the last seconds, ask again."
            )
            raise InvalidRequest(our_problem("no-such-ingestion", 404, "No such ingestion", detail))
        if execution.status == "RUNNING":
            return _answer(request_id, f"Mapping Id: {mapping_id}.", Status.IN_PROGRESS.value, batchId="", numRecords=0)
        if not execution.runs:
            info = (
                f"Mapping Id: {mapping_id}. The relay's execution ended as {execution.status} before Adobe told an end."
            )
            return _answer(request_id, info, Status.FAILED.value, batchId="", numRecords=0)
        run = Run.from_json(execution.runs[0])
        told_by_adobe = run.state != "TIMED_OUT" and run.info
        info = run.info if told_by_adobe else f"Mapping Id: {mapping_id}. {run.reason}"
        status = _STATUS_BY_STATE[run.state]
        return _answer(request_id, info, status, batchId=run.batch_id, numRecords=run.num_records)

    def _find_waiting(self, mapping_id: str) -> "_Waiting | None":
        """The submission that an execution of ours does the asking for, if there is one."""
        try:
            request_id = self._unanswered.find(mapping_id)
        except WorkflowError:
            logger.warning("unanswered submissions cannot be read", extra={"mappingId": mapping_id})
            return None
        if not request_id:
            return None
        try:
            execution = self._workflow.find(_name(mapping_id, request_id))
        except WorkflowError:  # Adobe knows whether it runs
            return _Waiting(request_id, "")
        return _Waiting(request_id, execution.status if execution else "")

    def _claim(self, mapping_id: str, waiting: "_Waiting | None") -> str:
        """An id for the submission: a new one, or that of a request that came at the same time and was first."""
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


class _Waiting(NamedTuple):
    """An id of ours, and the status of its execution; "" when that is not known."""

    request_id: str
    status: str

    @property
    def is_running(self) -> bool:
        return self.status == "RUNNING"


def _name(mapping_id: str, request_id: str) -> str:
    """Of an execution: a mapping ID has no -, so no other pair has the same name."""
    return f"{mapping_id}-{request_id}"


def _in_progress(mapping_id: str, request_id: str) -> dict[str, Any]:
    info = f"Ingestion request already in progress for the Mapping ID: {mapping_id}"
    return _answer(request_id, info, Status.IN_PROGRESS.value)


def _answer(request_id: str, info: str, status: str, **fields: Any) -> dict[str, Any]:
    """Campaign's form, in which a request id is a number."""
    number = (
        int(request_id) if request_id.isdecimal() and len(request_id) <= 16 and request_id[0] != "0" else request_id
    )
    return {"requestId": number, "info": info, "status": status, **fields}


def _unavailable(name: str, title: str, detail: str) -> InvalidRequest:
    return InvalidRequest(our_problem(name, 503, title, detail), RETRY_AFTER)
