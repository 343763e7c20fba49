"""What the client of `POST /ee/v2/collect` gets, as a Lambda proxy integration response."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from relay.accept import Acceptance
from relay.batch import MAX_REJECTIONS, describe, nothing_accepted
from relay.core.events import Rejection
from relay.core.problem import Problem, our_problem
from relay.http_answer import answer_json, answer_problem

SPOOL_FAILED_RETRY_AFTER = 5.0  # seconds
_LONGEST_ENTRIES = 1_000_000  # characters; Lambda returns 6 MB


def answer_batch(acceptance: Acceptance, headers: Mapping[str, str]) -> dict[str, Any]:
    """2xx, with the headers, only if every event is delivered, spooled, or named as rejected."""
    batch, settlement = acceptance.batch, acceptance.settlement
    rejections, warnings = acceptance.rejections, settlement.notices
    if acceptance.unsafe:
        return _answer_unsafe(acceptance)
    if not acceptance.accepted:
        if problem := _of_the_whole_request(acceptance):
            return answer_refusal(problem, batch.request_id)
        summary = f"Adobe takes none of the {len(rejections)} events, see report.errors."
        return answer_refusal(nothing_accepted(rejections, summary), batch.request_id)
    if rejections or (warnings and not batch.silent):
        errors = _fit(_errors(rejections))
        content = {"requestId": batch.request_id, "errors": errors, "warnings": _fit(warnings[:MAX_REJECTIONS])}
        return answer_json(207, batch.request_id, content, headers)
    if batch.silent:
        return answer_json(204, batch.request_id, None, headers)
    return answer_json(202, batch.request_id, {"requestId": batch.request_id}, headers)


def _of_the_whole_request(acceptance: Acceptance) -> Problem | None:
    """Edge's problem with the client's request, when it has the same one with each part and nothing else is wrong."""
    refusals = acceptance.settlement.refusals
    if len(acceptance.rejections) > sum(len(refusal.events) for refusal in refusals):
        return None
    problem = refusals[0].problem
    return problem if all(refusal.problem == problem for refusal in refusals) else None


def answer_refusal(problem: Problem, request_id: str, retry_after: float | None = None) -> dict[str, Any]:
    """A refusal as problem+json, which says that the events are still the client's; `retry_after` in seconds."""
    if "accepted" not in problem.detail:
        problem = problem._replace(detail=f"{problem.detail} No event of this request was accepted.".lstrip())
    return answer_problem(problem, request_id, retry_after)


def _errors(rejections: list[Rejection]) -> list[dict[str, Any]]:
    """An entry for each of the first thousand; the others, too many for an answer, by index for each problem."""
    errors = [rejection.as_json() for rejection in rejections[:MAX_REJECTIONS]]
    indexes: dict[tuple[str, int, str], list[int]] = {}
    for rejection in rejections[MAX_REJECTIONS:]:
        problem = rejection.problem
        indexes.setdefault((problem.type, problem.status, problem.title), []).append(rejection.index)
    return errors + [Problem(*problem, report={"eventIndexes": found}).as_json() for problem, found in indexes.items()]


def _fit(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The entries, without Adobe's words where those are more than Lambda could return: the events are what counts."""
    if len(json.dumps(entries)) <= _LONGEST_ENTRIES:
        return list(entries)
    return [_shorten(entry) for entry in entries]


def _shorten(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    short = {name: entry[name] for name in ("type", "status") if name in entry}
    short["title"] = entry.get("title", "")[:100]
    places = {name: place for name, place in entry.get("report", {}).items() if name.startswith("eventIndex")}
    return {**short, "report": places} if places else short


def _answer_unsafe(acceptance: Acceptance) -> dict[str, Any]:
    safe = sorted(event.index for event in (*acceptance.settlement.delivered, *acceptance.spooled))
    detail = (
        "Adobe has not confirmed all events, and keeping the others failed. Those in report.acceptedIndexes are safe, "
        "those in report.errors are rejected; send all others again, with the same _id, after Retry-After seconds."
    )
    report = {"acceptedIndexes": safe, "errors": describe(acceptance.rejections[:MAX_REJECTIONS])}
    problem = our_problem("not-kept", 503, "Events not kept", detail)._replace(report=report)
    return answer_refusal(problem, acceptance.batch.request_id, SPOOL_FAILED_RETRY_AFTER)
