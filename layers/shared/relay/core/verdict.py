"""What Edge's answer means: one policy table, keyed by EXEG code, then by HTTP status.

Sources: AdobeDocs/data-collection-apis (error codes, retry guidance) and `docs/decisions.md`.
"""

import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from relay.core.problem import EDGE_ERRORS, Problem, our_problem
from relay.core.retry_after import read_retry_after


class Verdict(Enum):
    """What became of the events of one request to Edge."""

    DELIVERED = "delivered"  # Adobe has them; never send them again
    EVENT_REJECTED = "event rejected"  # an event of the request is one that Adobe will never take
    REQUEST_REFUSED = "request refused"  # the caller's request is one that Adobe will never take
    TOKEN_EXPIRED = "token expired"  # noqa: S105 - a new token may mend it
    SETUP = "setup"  # the operator must mend it; the caller cannot
    TRANSIENT = "transient"  # later it may work
    UNCERTAIN = "uncertain"  # says nothing about the events; later it may work


class Scope(Enum):
    """Whose trouble keeps events from being taken, and so what is spared for a while."""

    EDGE = "edge"  # all requests
    DATASTREAM = "datastream"  # those of one datastream: its upstream services, its consent checks


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
    "0108": Verdict.REQUEST_REFUSED,
    "0109": Verdict.REQUEST_REFUSED,  # a 408 that must not be retried
    "0110": Verdict.REQUEST_REFUSED,
    "0111": Verdict.REQUEST_REFUSED,
    "0112": Verdict.EVENT_REJECTED,
    "0113": Verdict.REQUEST_REFUSED,
    "0200": Verdict.TRANSIENT,
    "0201": Verdict.TRANSIENT,
    "0202": Verdict.TRANSIENT,
    "0203": Verdict.TRANSIENT,
    "0205": Verdict.TRANSIENT,
    "0300": Verdict.TRANSIENT,
    "0302": Verdict.REQUEST_REFUSED,  # an update of consent that cannot be made: about the request
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

# Refusals of a request that one event of it can cause: the others may be good. All other refusals are about what the
# events of a request share: its datastream, parameters, headers and members.
_ABOUT_THE_BODY = ("0100", "0101", "0302")

_OF_THE_DATASTREAM = ("02", "03")  # how codes of upstream and consent trouble begin

# Adobe took the events, whatever the body says: a nested 503 in a 207 is not a reason to send again.
_TAKEN = frozenset({200, 202, 204, 207})

# Those of Edge's problems that are the client's fault. A 5xx would make clients repeat what cannot work, a 401 or 429
# would be about our token and our quota.
_CLIENT_STATUSES = frozenset({400, 403, 408, 409, 413, 415, 422})

_BY_STATUS = {
    401: Verdict.TOKEN_EXPIRED,
    403: Verdict.SETUP,
    404: Verdict.SETUP,
    429: Verdict.TRANSIENT,
    502: Verdict.TRANSIENT,
    503: Verdict.TRANSIENT,
    504: Verdict.TRANSIENT,
}

# What a gateway answers for a server that died, or hangs, perhaps of the request.
_SILENT = frozenset({502, 504})

# Adobe's answers are hostile until shown otherwise: what of them reaches a client is bounded.
_LONGEST_TEXT = 2_000
_LONGEST_LIST = 1_000

_UNKNOWN_HINT = our_problem(
    "no-such-location-hint",
    404,
    "No such location hint",
    "Edge does not know the location hint in the path. "
    "Send the events again with a hint that interact returned, or to /ee/v2/collect.",
)

_CODE = re.compile(re.escape(EDGE_ERRORS) + r"((\d{4})-\d{3})")


class Answer(NamedTuple):
    """An HTTP answer as it came: status, header names in lower case, body (UNREAD when it could not be read whole)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Judgement(NamedTuple):
    """A verdict and what led to it."""

    verdict: Verdict
    status: int | None = None  # of Edge's answer; None when there was no answer
    code: str | None = None  # nnnn-sss of Edge's EXEG-nnnn-sss
    problem: Problem | None = None  # Edge's own, when it is readable
    retry_after: float | None = None  # seconds
    notices: tuple[Mapping[str, Any], ...] = ()  # nested errors and warnings about events that Adobe did take
    reason: str | None = None  # why there was no answer to judge, in constant words
    seconds: float = 0.0  # until the answer, a new token included
    ambiguous: bool = False  # Adobe may have the events: bytes may have been sent, and no answer was read
    sent_as: str = ""  # the id of the request to Edge
    units: int = 0  # of Adobe's quota: started 8 KB of what was sent
    scope: Scope | None = Scope.EDGE  # if there is trouble
    was_tried: bool = True  # False: for lack of time, or to spare Edge, nothing was attempted
    has_failed: bool = False  # in code of ours, in a way that nobody foresaw

    @property
    def was_sent(self) -> bool:
        """Whether Edge may have seen a request."""
        return self.status is not None or self.ambiguous

    @property
    def trouble(self) -> Scope | None:
        """Where the trouble is that an answer shows, or the lack of one; None: there is none, or it is ours."""
        if self.has_failed or not self.was_tried:
            return None
        if self.retry_after is not None:  # it must be respected, and says nothing of a datastream
            return Scope.EDGE
        return self.scope if self.verdict in (Verdict.TRANSIENT, Verdict.UNCERTAIN) else None

    @property
    def says_nothing(self) -> bool:
        """Whether the answer, or the lack of one, may be about the events as well as about Edge."""
        if self.has_failed or self.retry_after is not None:
            return False
        is_silent = self.ambiguous or (self.status in _SILENT and not self.code)
        return self.verdict is Verdict.UNCERTAIN or (self.verdict is Verdict.TRANSIENT and is_silent)

    @property
    def is_about_body(self) -> bool:
        """Whether Edge refuses the request for what one of its events may have brought in."""
        return self.verdict is Verdict.REQUEST_REFUSED and (self.code or "").startswith(_ABOUT_THE_BODY)

    @property
    def is_unusual(self) -> bool:
        """Worth a word in the log."""
        return self.verdict is not Verdict.DELIVERED or bool(self.notices)

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
            "sentAs": self.sent_as or None,
        }
        return {name: value for name, value in facts.items() if value is not None}


def judge(answer: Answer, now: float, *, has_new_hint: bool = False) -> Judgement:
    """The verdict on Edge's answer; `now` (epoch seconds) is what a Retry-After date is measured against.

    A path that Edge does not find is a matter of set-up. If it has a location hint, and the client can still be told
    (`has_new_hint`), it is the client's.
    """
    content = read_object(answer.body)
    number, code = _read_code(content)
    if answer.status in _TAKEN and not _is_foreign(answer, content):
        return Judgement(Verdict.DELIVERED, answer.status, code, notices=_notices(content, code))
    if answer.status == 404 and has_new_hint and not code and "retry-after" not in answer.headers:
        return Judgement(Verdict.REQUEST_REFUSED, answer.status, problem=_UNKNOWN_HINT)
    by_code = _BY_CODE.get(number) if 400 <= answer.status < 600 else None
    verdict = by_code or _BY_STATUS.get(answer.status, Verdict.UNCERTAIN)
    is_of_datastream = verdict is Verdict.UNCERTAIN or (by_code and number.startswith(_OF_THE_DATASTREAM))
    return Judgement(
        verdict=verdict,
        status=answer.status,
        code=code,
        problem=_read_problem(content, code) if code else None,
        retry_after=read_retry_after(answer.headers.get("retry-after"), now),
        scope=Scope.DATASTREAM if is_of_datastream else Scope.EDGE,
    )


def _is_foreign(answer: Answer, content: Mapping[str, Any]) -> bool:
    """A 200 that no Edge has written: a web page, a gateway's error. Events that it swallowed would be lost."""
    return answer.status == 200 and ((bool(answer.body) and not content) or "error_code" in content)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that an answer's body is; empty for anything else."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_code(content: Mapping[str, Any]) -> tuple[str, str | None]:
    match = _CODE.fullmatch(_text(content, "type"))
    return (match[2], match[1]) if match else ("", None)


def _notices(content: Mapping[str, Any], code: str | None) -> tuple[Mapping[str, Any], ...]:
    if code:  # the whole answer is one notice: "ignored, consent missing"
        return (_notice(content),)
    nested = [*_list(content, "errors"), *_list(content, "warnings")]
    return tuple(_notice(notice) for notice in nested if isinstance(notice, dict))


def _notice(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The known members, each of its own kind and of bounded length: this goes to clients."""
    members: dict[str, Any] = {name: text for name in ("type", "title", "detail") if (text := _text(content, name))}
    if type(status := content.get("status")) is int:
        members["status"] = status
    report = content.get("report")
    if isinstance(report, dict) and type(index := report.get("eventIndex")) is int:
        members["report"] = {"eventIndex": index}
    return members


def _read_problem(content: Mapping[str, Any], code: str) -> Problem:
    report = content.get("report")  # but for its errors it is about our request and our organisation
    errors = _list(report, "errors") if isinstance(report, dict) else []
    texts = [error[:_LONGEST_TEXT] for error in errors if isinstance(error, str)]
    return Problem(
        type=_text(content, "type"),
        status=_client_status(code),
        title=_text(content, "title") or "Refused by Adobe",
        detail=_text(content, "detail"),
        report={"errors": texts} if texts else {},
    )


def _client_status(code: str) -> int:
    """The status of the documented code, which is the last part of it; 400 where clients would misunderstand it."""
    status = int(code[-3:])
    return status if status in _CLIENT_STATUSES else 400


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return value[:_LONGEST_TEXT] if isinstance(value, str) else ""


def _list(content: Mapping[str, Any], name: str) -> list[Any]:
    value = content.get(name)
    return value[:_LONGEST_LIST] if isinstance(value, list) else []
