"""What Campaign Standard's answer about an ingestion means: a report in Adobe's own words, or the trouble there was.

The body's `status` decides, whatever the HTTP status. Source: AdobeDocs/campaign-standard.en, "Triggering data
ingestion using APIs"; what that page leaves open is in docs/decisions.md.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from relay.core.retry_after import read_retry_after
from relay.core.verdict import Answer, Verdict, read_object

# Ids become parts of paths and of execution names, which are `<mapping>-<request>` of at most 80 characters.
MAPPING_ID = re.compile(r"[A-Za-z0-9_]{1,39}")
REQUEST_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,39}")

_ACP_CODE = re.compile(r"\bACP-\d{1,12}\b")
_RST_CODE = re.compile(rb"\s*\"?(RST-\d{1,12})\b")
_GATEWAY_CODE = re.compile(r"\d{3,12}")
_UNPRINTABLE = re.compile(r"[^ -~\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_INFO = 500  # characters; documented ones have up to 130

_NOT_TAKEN = {429, 503}  # a gateway's 502 and 504 leave open whether Adobe has taken the request


class Status(Enum):
    """Of a submission (where "Success" means submitted) or of an ingestion, as Adobe calls it."""

    SUCCESS = "Success"
    IN_PROGRESS = "In Progress"
    FAILED = "Failed"
    ABORTED = "Aborted"
    UNKNOWN = ""  # any other word


_STATUSES = {status.value: status for status in Status if status.value}


class Report(NamedTuple):
    """Adobe's answer: its five fields, and the ACP code that `info` holds; "" and 0 where there is none."""

    status: Status
    request_id: str = ""  # as text, since numbers of a state machine are floating-point
    info: str = ""
    batch_id: str = ""
    num_records: int = 0
    code: str = ""


class Trouble(NamedTuple):
    """No report: TOKEN_EXPIRED, SETUP (a person must mend it), TRANSIENT (not taken), UNCERTAIN (taken or not)."""

    verdict: Verdict
    reason: str  # in constant words and codes: nothing that could quote what we sent
    http_status: int | None = None  # None: no answer
    retry_after: float | None = None  # seconds


def read_answer(answer: Answer, now: float) -> Report | Trouble:
    """The meaning of an answer to POST or GET; `now` (epoch seconds) is what a Retry-After date is measured against."""
    content = read_object(answer.body)
    status = _read_status(content, answer.status)
    if status:
        return _read_report(content, status)
    reason = " ".join(filter(None, ("Adobe answers HTTP", str(answer.status), _read_code(content, answer.body))))
    return Trouble(
        _judge(answer.status), reason, answer.status, read_retry_after(answer.headers.get("retry-after"), now)
    )


def as_submission(outcome: Report | Trouble) -> Report | Trouble:
    """The answer to a POST: trouble when its status is one of an ingestion's end, or unknown."""
    if isinstance(outcome, Report) and outcome.status in (Status.ABORTED, Status.UNKNOWN):
        return Trouble(Verdict.UNCERTAIN, "Adobe's status is none of a submission")
    return outcome


def _read_status(content: Mapping[str, Any], http_status: int) -> Status | None:
    """None for what is no answer of Campaign's: each of those has a `status` and an `info`."""
    word, info = content.get("status"), content.get("info")
    if not isinstance(word, str) or not isinstance(info, str):
        return None
    return _STATUSES.get(word) or (Status.UNKNOWN if http_status < 300 else None)


def _read_report(content: Mapping[str, Any], status: Status) -> Report:
    info = _clean(content.get("info"))
    code = _ACP_CODE.search(info)
    records = content.get("numRecords")
    return Report(
        status=status,
        request_id=_read_id(content.get("requestId")),
        info=info,
        batch_id=_read_id(content.get("batchId")),
        num_records=records if type(records) is int and 0 <= records < 2**53 else 0,
        code=code[0] if code else "",
    )


def _judge(status: int) -> Verdict:
    if status == 401:
        return Verdict.TOKEN_EXPIRED
    if status in _NOT_TAKEN:
        return Verdict.TRANSIENT
    return Verdict.SETUP if 400 <= status < 500 else Verdict.UNCERTAIN


def _read_id(value: Any) -> str:
    """A number or a text that can be part of a path; "" for anything else."""
    if type(value) is float and value.is_integer():
        value = int(value)
    text = str(value) if type(value) in (int, str) and value != 0 else ""
    return text if REQUEST_ID.fullmatch(text) else ""


def _read_code(content: Mapping[str, Any], body: bytes) -> str:
    """The code in a gateway's error (`error_code` is text, `code` a number) or of a text such as "RST-360011 …"."""
    for name in ("error_code", "code"):
        if _GATEWAY_CODE.fullmatch(code := str(content.get(name))):
            return code
    match = _RST_CODE.match(body[:100])
    return match[1].decode() if match else ""


def _clean(text: Any) -> str:
    """Adobe's words, bounded and printable; "" for what is no text."""
    return _UNPRINTABLE.sub("?", text[:_LONGEST_INFO]) if isinstance(text, str) else ""
