"""What Edge's answer means: one policy table, keyed by EXEG code, then by HTTP status.

Sources: AdobeDocs/data-collection-apis (error codes, retry guidance) and `docs/decisions.md`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from relay.core.problem import EDGE_ERRORS, Problem
from relay.core.retry_after import read_retry_after


class Verdict(Enum):
    """What became of the events of one request to Edge."""

    DELIVERED = "delivered"  # Adobe has them; never send them again
    EVENT_REJECTED = "event rejected"  # an event of the request is one that Adobe will never take
    REQUEST_REFUSED = "request refused"  # the caller's request is one that Adobe will never take
    TOKEN_EXPIRED = "token expired"  # noqa: S105 - a new token may mend it
    SETUP = "setup"  # the operator must mend it; the caller cannot
    TRANSIENT = "transient"  # later it may work
    UNCERTAIN = "uncertain"  # cannot be understood; later it may work


_BY_CODE = {
    "0000": Verdict.TRANSIENT,
    "0001": Verdict.UNCERTAIN,
    "0002": Verdict.REQUEST_REFUSED,
    "0003": Verdict.REQUEST_REFUSED,
    "0004": Verdict.SETUP,
    "0010": Verdict.SETUP,
    "0011": Verdict.SETUP,
    "0012": Verdict.SETUP,
    "0013": Verdict.SETUP,
    "0100": Verdict.REQUEST_REFUSED,  # a caller's fault with a 5xx status
    "0101": Verdict.REQUEST_REFUSED,
    "0102": Verdict.EVENT_REJECTED,
    "0103": Verdict.EVENT_REJECTED,
    "0104": Verdict.EVENT_REJECTED,
    "0105": Verdict.EVENT_REJECTED,
    "0106": Verdict.REQUEST_REFUSED,
    "0107": Verdict.REQUEST_REFUSED,
    "0108": Verdict.EVENT_REJECTED,
    "0109": Verdict.REQUEST_REFUSED,  # a 408 that must not be retried
    "0110": Verdict.EVENT_REJECTED,
    "0111": Verdict.REQUEST_REFUSED,
    "0112": Verdict.EVENT_REJECTED,
    "0113": Verdict.REQUEST_REFUSED,
    "0200": Verdict.TRANSIENT,
    "0201": Verdict.TRANSIENT,
    "0202": Verdict.TRANSIENT,
    "0203": Verdict.TRANSIENT,
    "0205": Verdict.TRANSIENT,
    "0300": Verdict.TRANSIENT,
    "0302": Verdict.EVENT_REJECTED,
    "0304": Verdict.EVENT_REJECTED,
    "0305": Verdict.EVENT_REJECTED,
    "0306": Verdict.EVENT_REJECTED,
    "0307": Verdict.TRANSIENT,
    "0308": Verdict.EVENT_REJECTED,
    "0400": Verdict.REQUEST_REFUSED,
    "0500": Verdict.SETUP,
    "0501": Verdict.SETUP,
    "0502": Verdict.SETUP,
    "0503": Verdict.TOKEN_EXPIRED,
    "0504": Verdict.SETUP,
    "0505": Verdict.SETUP,
    "0506": Verdict.SETUP,
}

# Adobe took the events, whatever the body says: a nested 503 in a 207 is not a reason to send again.
_TAKEN = frozenset({200, 202, 204, 207})

_BY_STATUS = {
    401: Verdict.TOKEN_EXPIRED,
    403: Verdict.SETUP,
    404: Verdict.SETUP,
    429: Verdict.TRANSIENT,
    502: Verdict.TRANSIENT,
    503: Verdict.TRANSIENT,
    504: Verdict.TRANSIENT,
}

_CODE = re.compile(re.escape(EDGE_ERRORS) + r"((\d{4})-\d{3})")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it came: status, header names in lower case, body (empty when it could not be read whole)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and what led to it."""

    verdict: Verdict
    status: int | None = None  # of Edge's answer; None when there was no answer
    code: str | None = None  # nnnn-sss of Edge's EXEG-nnnn-sss
    problem: Problem | None = None  # Edge's own, when it is readable
    retry_after: float | None = None  # seconds
    notices: tuple[Mapping[str, Any], ...] = ()  # nested errors and warnings about events that Adobe did take
    reason: str | None = None  # why there was no answer to judge, in constant words
    ambiguous: bool = False  # bytes were sent and no answer came: Adobe may have the events

    def facts(self) -> dict[str, Any]:
        """For the log: nothing that Adobe worded, since that may quote an identity."""
        facts = {
            "verdict": self.verdict.value,
            "edgeStatus": self.status,
            "edgeCode": self.code,
            "reason": self.reason,
            "retryAfter": self.retry_after,
            "notices": len(self.notices) or None,
            "ambiguous": self.ambiguous or None,
        }
        return {name: value for name, value in facts.items() if value is not None}


def judge(answer: Answer, now: float) -> Judgement:
    """The verdict on Edge's answer; `now` (epoch seconds) is what a Retry-After date is measured against."""
    content = _read_object(answer.body)
    number, code = _read_code(content)
    if answer.status in _TAKEN:
        return Judgement(Verdict.DELIVERED, answer.status, code, notices=_notices(content, code))
    return Judgement(
        verdict=_BY_CODE.get(number) or _BY_STATUS.get(answer.status, Verdict.UNCERTAIN),
        status=answer.status,
        code=code,
        problem=_read_problem(content, answer.status) if code else None,
        retry_after=read_retry_after(answer.headers.get("retry-after"), now),
    )


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_code(content: Mapping[str, Any]) -> tuple[str, str | None]:
    match = _CODE.fullmatch(str(content.get("type")))
    return (match[2], match[1]) if match else ("", None)


def _notices(content: dict[str, Any], code: str | None) -> tuple[Mapping[str, Any], ...]:
    if code:  # the whole answer is one notice: "ignored, consent missing"
        return (content,)
    nested = [content.get("errors"), content.get("warnings")]
    return tuple(
        notice for notices in nested if isinstance(notices, list) for notice in notices if isinstance(notice, dict)
    )


def _read_problem(content: Mapping[str, Any], status: int) -> Problem:
    report = content.get("report")
    errors = (
        report.get("errors") if isinstance(report, dict) else None
    )  # the rest of a report is about our organisation
    return Problem(
        type=str(content["type"]),
        status=status,
        title=str(content.get("title") or "Refused by Adobe"),
        detail=str(content.get("detail") or ""),
        report={"errors": errors} if isinstance(errors, list) else {},
    )
