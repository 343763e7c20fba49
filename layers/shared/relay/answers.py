"""What the client of `POST /ee/v2/collect` gets, as a Lambda proxy integration response."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from relay.batch import Batch, describe
from relay.core.problem import Problem, our_problem
from relay.core.verdict import Judgement, Verdict

# Seconds, where Adobe names none: an outage may be over soon, a set-up takes a person.
_RETRY_AFTER = {Verdict.TRANSIENT: 5.0, Verdict.UNCERTAIN: 30.0, Verdict.SETUP: 60.0}

_WHY = {
    Verdict.TRANSIENT: "Adobe cannot take events at the moment.",
    Verdict.UNCERTAIN: "Adobe answered in a way that cannot be understood.",
    Verdict.SETUP: "This endpoint's set-up with Adobe needs its operator: the log has the cause, under this requestId.",
}
_STILL_YOURS = "No event of this request was accepted: keep them, and send them again after Retry-After seconds."
_IN_DOUBT = " Adobe may have taken them all the same, so send them with the same _id."

# How Edge names an event of the request it got: "event #2" in a detail, "... at index 2" in a report.
_NAMED_INDEX = re.compile(r"(#|\bat index )(\d+)")


def answer_batch(batch: Batch, judgement: Judgement) -> dict[str, Any]:
    """The answer to a batch that was forwarded with the given outcome."""
    if judgement.verdict is Verdict.DELIVERED:
        return _answer_delivered(batch, judgement)
    if judgement.problem and judgement.verdict in (Verdict.EVENT_REJECTED, Verdict.REQUEST_REFUSED):
        return answer_problem(_in_client_terms(judgement.problem, batch), batch.request_id)
    detail = f"{_WHY[judgement.verdict]} {_STILL_YOURS}{_IN_DOUBT if judgement.ambiguous else ''}"
    return answer_problem(
        our_problem("not-delivered", 503, "Events not delivered", detail),
        batch.request_id,
        judgement.retry_after or _RETRY_AFTER[judgement.verdict],
    )


def answer_problem(problem: Problem, request_id: str, retry_after: float | None = None) -> dict[str, Any]:
    """A refusal as problem+json; `retry_after` in seconds."""
    headers = {"Content-Type": "application/problem+json"}
    if retry_after is not None:
        headers["Retry-After"] = str(math.ceil(retry_after))
    return _response(problem.status, request_id, problem.as_json(requestId=request_id), headers)


def _answer_delivered(batch: Batch, judgement: Judgement) -> dict[str, Any]:
    warnings = [_notice_in_client_terms(notice, batch) for notice in judgement.notices]
    if batch.rejections or (warnings and not batch.silent):
        content = {
            "requestId": batch.request_id,
            "errors": [rejection.problem.as_json(eventIndex=rejection.index) for rejection in batch.rejections],
            "warnings": warnings,
        }
        return _response(207, batch.request_id, content)
    if batch.silent:
        return _response(204, batch.request_id, None)
    return _response(202, batch.request_id, {"requestId": batch.request_id})


def _in_client_terms(problem: Problem, batch: Batch) -> Problem:
    """Edge's problem with the indexes of the client's own array, and with the events that were rejected before."""
    errors = [_renumber(str(error), batch) for error in problem.report.get("errors", ())]
    if batch.rejections:
        errors += describe(batch.rejections)
    return replace(
        problem,
        status=problem.status if problem.status < 500 else 400,  # a 5xx would make clients retry what cannot work
        detail=_renumber(problem.detail, batch),
        report={"errors": errors} if errors else {},
    )


def _notice_in_client_terms(notice: Mapping[str, Any], batch: Batch) -> Mapping[str, Any]:
    report = notice.get("report")
    if not isinstance(report, dict) or not isinstance(index := report.get("eventIndex"), int):
        return notice
    return {**notice, "report": {**report, "eventIndex": _client_index(index, batch)}}


def _renumber(text: str, batch: Batch) -> str:
    return _NAMED_INDEX.sub(lambda named: f"{named[1]}{_client_index(int(named[2]), batch)}", text)


def _client_index(index: int, batch: Batch) -> int:
    """The place in the client's array of the event that Edge got as number `index`."""
    return batch.events[index].index if 0 <= index < len(batch.events) else index


def _response(
    status: int, request_id: str, content: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "x-request-id": request_id, **(headers or {})},
        "body": "" if content is None else json.dumps(content),
        "isBase64Encoded": False,
    }
