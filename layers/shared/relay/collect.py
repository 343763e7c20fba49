"""Serve one `POST /ee/v2/collect`: read it, accept it, answer it; a repeated request gets its first answer again."""

from collections.abc import Callable, Set
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics

from relay.accept import Acceptor
from relay.answers import answer_batch, answer_refusal
from relay.batch import read_batch
from relay.core.deadline import Deadline
from relay.errors import InvalidRequest, Unfinished
from relay.http_request import HttpRequest, read_http_request, read_request_id
from relay.measure import count, measure_settlement

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from relay.idempotency import Idempotency

logger = Logger(child=True)

_LONGEST_REMEMBERED = 300_000  # characters; DynamoDB keeps 400 KB
_ANSWER_SECONDS = 0.5  # kept back for answering, so that the client hears from us and not of a timeout


class Collect:
    """Serves requests; `idempotency` is made only for those with an id, no `allowed_datastreams` allow them all.

    With `respond_async` a client that does not say whether it waits for Edge does not.
    """

    def __init__(
        self,
        acceptor: Acceptor,
        idempotency: "Callable[[], Idempotency]",
        allowed_datastreams: Set[str],
        now: Callable[[], float],
        *,
        respond_async: bool = False,
    ) -> None:
        self._acceptor = acceptor
        self._idempotency = idempotency
        self._allowed_datastreams = allowed_datastreams
        self._now = now
        self._respond_async = respond_async

    def serve(self, event: dict[str, Any], context: "LambdaContext", metrics: Metrics) -> dict[str, Any]:
        """The answer to a Lambda proxy integration event."""
        started = self._now()
        deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - _ANSWER_SECONDS, self._now)
        request_id = context.aws_request_id
        try:
            request = read_http_request(event)
            given_id = read_request_id(request)
            request_id = given_id or request_id
            is_repeated = True  # unless it comes to accepting it

            def accept() -> dict[str, Any]:
                nonlocal is_repeated
                is_repeated = False
                return self._accept(request, request_id, started, deadline, metrics)

            if given_id:
                idempotency = self._idempotency()
                deadline = deadline.before(idempotency.seconds)
                answer = idempotency.once(request, given_id, context, accept)
                if is_repeated:
                    count(metrics, RequestsRepeated=1)
                    logger.info("request repeated", extra={"requestId": request_id, "status": answer["statusCode"]})
                return answer
            return accept()
        except Unfinished as unfinished:
            return unfinished.answer
        except InvalidRequest as refusal:
            count(metrics, RequestsRefused=1)
            logger.info("request refused", extra={"requestId": request_id, "problem": refusal.problem.type})
            return answer_refusal(refusal.problem, request_id, refusal.retry_after)

    def _accept(
        self, request: HttpRequest, request_id: str, received_at: float, deadline: Deadline, metrics: Metrics
    ) -> dict[str, Any]:
        batch = read_batch(request, request_id, self._allowed_datastreams, datetime.fromtimestamp(received_at, UTC))
        asked = _is_asynchronous(request)
        is_async = self._respond_async if asked is None else asked
        acceptance = (self._acceptor.keep if is_async else self._acceptor.accept)(batch, deadline)
        measure_settlement(metrics, acceptance.settlement)
        count(
            metrics,
            EventsAccepted=acceptance.accepted,
            EventsDelivered=len(acceptance.settlement.delivered),
            **{"EventsStoredOnRequest" if is_async else "EventsSpooled": len(acceptance.spooled)},
            EventsRejected=len(acceptance.rejections),
        )
        log = getattr(logger, acceptance.severity)
        log("batch handled", extra={"requestId": request_id, **acceptance.facts()})
        answer = answer_batch(acceptance, {"Preference-Applied": "respond-async"} if asked else {})
        if acceptance.unsafe:
            logger.error("spool failed", extra={"requestId": request_id, "unsafe": len(acceptance.unsafe)})
            raise Unfinished(answer)
        if len(answer["body"]) > _LONGEST_REMEMBERED:
            raise Unfinished(answer)
        return answer


def _is_asynchronous(request: HttpRequest) -> bool | None:
    lines = request.header_lines.get("prefer")
    if lines is None:
        return None
    from relay.core.prefer import is_asynchronous  # noqa: PLC0415 - few clients say what they prefer

    return is_asynchronous(lines)
