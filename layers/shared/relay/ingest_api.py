"""Serve one `POST` or `GET …/ingest` in Campaign Standard's own form: ask Adobe, and have the rest seen to."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics

from relay.campaign import CampaignClient
from relay.core.deadline import Deadline
from relay.core.problem import our_problem
from relay.core.report import MAPPING_ID, Report, Status, Trouble
from relay.core.run import Run, wait_after
from relay.core.verdict import Verdict
from relay.errors import InvalidRequest, WorkflowError
from relay.follow import Follower, Submission
from relay.http_answer import answer_json, answer_problem
from relay.ingest_request import read_ingest_request
from relay.measure import count

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(child=True)

RETRY_AFTER = 5.0  # seconds, when an execution can be neither started nor read
WORKFLOW_SECONDS = 9.0  # kept back for claiming and starting the execution, after Adobe was asked
_ANSWER_SECONDS = 0.5  # kept back for answering

# A client knows Campaign's words only; why a run timed out is in `info`.
_STATUS_BY_STATE = {"SUCCEEDED": "Success", "FAILED": "Failed", "ABORTED": "Aborted", "TIMED_OUT": "Failed"}


class IngestApi:
    """Serves the requests of one organization; what Adobe does not answer is repeated after `first_wait` seconds."""

    def __init__(
        self,
        campaign: CampaignClient,
        follower: Follower,
        organization: str,
        first_wait: float,
        now: Callable[[], float],
    ) -> None:
        self._campaign = campaign
        self._follower = follower
        self._organization = organization
        self._first_wait = first_wait
        self._now = now

    def serve(self, event: dict[str, Any], context: "LambdaContext", metrics: Metrics) -> dict[str, Any]:
        """The answer to a Lambda proxy integration event."""
        count(metrics, IngestionRequests=1)
        deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - _ANSWER_SECONDS, self._now)
        try:
            request = read_ingest_request(event, self._organization)
            if request.request_id is None:
                content = self._submit(request.mapping_id, deadline, metrics)
            else:
                content = self._status(request.mapping_id, request.request_id, deadline)
        except InvalidRequest as refusal:
            count(metrics, RequestsRefused=1)
            mapping_id = (event.get("pathParameters") or {}).get("mappingId") or ""
            known = mapping_id if MAPPING_ID.fullmatch(mapping_id) else None
            logger.info("request refused", extra={"problem": refusal.problem.type, "mappingId": known})
            return answer_problem(refusal.problem, context.aws_request_id, refusal.retry_after)
        facts = {
            "method": event.get("httpMethod"),
            "mappingId": request.mapping_id,
            "requestId": content.get("requestId"),
            "status": content["status"],
        }
        logger.info("request served", extra=facts)
        return answer_json(200, context.aws_request_id, content)

    def _submit(self, mapping_id: str, deadline: Deadline, metrics: Metrics) -> dict[str, Any]:
        try:
            last = self._follower.last(mapping_id, deadline)
        except WorkflowError as error:
            detail = (
                "Whether the relay already sees to an ingestion of this mapping cannot be told now. Nothing was "
                "started: POST again after Retry-After seconds."
            )
            raise _unavailable("not-started", "Ingestion not started", detail) from error
        if last and last.is_running:
            info = f"The relay already sees to an ingestion of the Mapping ID: {mapping_id}"
            return _answer(last.request_id, info, Status.IN_PROGRESS.value)
        outcome = self._campaign.submit(mapping_id, deadline.before(WORKFLOW_SECONDS), metrics)
        if isinstance(outcome, Trouble):
            return self._submit_later(mapping_id, last, outcome, deadline, metrics)
        if outcome.status is Status.FAILED or not outcome.request_id:
            # Refused; or taken, and it cannot be followed. To submit it again could start another ingestion.
            return {"info": outcome.info, "status": outcome.status.value}
        return self._follow(mapping_id, last, outcome, deadline)

    def _follow(self, mapping_id: str, last: Submission | None, report: Report, deadline: Deadline) -> dict[str, Any]:
        try:
            request_id = self._follower.follow(mapping_id, last, report, deadline)
        except WorkflowError as error:
            detail = (
                f"Adobe has taken request {report.request_id}, but the execution that sees it to its end could not be "
                "started or read. POST again after Retry-After seconds, within five minutes: then it is followed."
            )
            raise _unavailable("not-followed", "Ingestion not followed", detail) from error
        return _answer(request_id, report.info, report.status.value)

    def _submit_later(
        self, mapping_id: str, last: Submission | None, trouble: Trouble, deadline: Deadline, metrics: Metrics
    ) -> dict[str, Any]:
        if trouble.http_status == 404:  # most likely the client's mistake: no operator is called
            detail = f"{trouble.reason}. Check the mapping ID; nothing was started."
            raise InvalidRequest(our_problem("no-such-mapping", 404, "Mapping not found", detail))
        count(metrics, SetupErrors=int(trouble.verdict is Verdict.SETUP))
        try:
            wait = wait_after(trouble, self._first_wait)
            request_id = self._follower.submit_later(mapping_id, last, wait, deadline)
        except WorkflowError as error:
            detail = (
                "Adobe has not taken the request, or not said so, and the execution that goes on asking could not be "
                "started or read. POST again after Retry-After seconds, within five minutes: then it is."
            )
            raise _unavailable("not-started", "Ingestion not started", detail) from error
        facts = {"mappingId": mapping_id, "verdict": trouble.verdict.value, "reason": trouble.reason}
        logger.warning("left to an execution", extra=facts)
        info = f"Adobe has not taken the request, or not said so; the relay goes on for the Mapping ID: {mapping_id}"
        return _answer(request_id, info, Status.IN_PROGRESS.value)

    def _status(self, mapping_id: str, request_id: str, deadline: Deadline) -> dict[str, Any]:
        try:
            execution = self._follower.find(mapping_id, request_id, deadline)
            last = None if execution else self._follower.last(mapping_id, deadline)
        except WorkflowError as error:
            detail = "How the ingestion stands cannot be read now. Ask again after Retry-After seconds."
            raise _unavailable("status-unknown", "Status unknown", detail) from error
        if last and last.is_running and last.request_id == request_id:  # its execution is just being started
            return _five_fields(request_id, f"Mapping Id: {mapping_id}.", Status.IN_PROGRESS.value)
        if not execution:
            detail = (
                "The relay has started no ingestion of this mapping with this requestId over HTTPS in 90 days. "
                "Take the requestId that POST has answered; if that was within the last seconds, ask again."
            )
            raise InvalidRequest(our_problem("no-such-ingestion", 404, "No such ingestion", detail))
        if execution.status == "RUNNING":
            return _five_fields(request_id, f"Mapping Id: {mapping_id}.", Status.IN_PROGRESS.value)
        if not execution.runs:
            info = f"Mapping Id: {mapping_id}. The relay's execution ended as {execution.status} and told no end."
            return _five_fields(request_id, info, Status.FAILED.value)
        run = Run.from_json(execution.runs[0])
        info = run.info if run.info and run.state != "TIMED_OUT" else f"Mapping Id: {mapping_id}. {run.reason}"
        return _five_fields(request_id, info, _STATUS_BY_STATE[run.state], run.batch_id, run.num_records)


def _five_fields(request_id: str, info: str, status: str, batch_id: str = "", num_records: int = 0) -> dict[str, Any]:
    return {"batchId": batch_id, "numRecords": num_records, **_answer(request_id, info, status)}


def _answer(request_id: str, info: str, status: str) -> dict[str, Any]:
    """Campaign's form, in which a request id is a number."""
    is_number = request_id.isdecimal() and len(request_id) <= 16 and request_id[0] != "0"
    return {"requestId": int(request_id) if is_number else request_id, "info": info, "status": status}


def _unavailable(name: str, title: str, detail: str) -> InvalidRequest:
    return InvalidRequest(our_problem(name, 503, title, detail), RETRY_AFTER)
