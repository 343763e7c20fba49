"""Faults to order: what goes wrong, for which requests, and how often."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from email.utils import formatdate
from typing import Any, Literal, Self

from local.sandbox.catalogue import ERRORS

_KINDS: dict[str, type | tuple[type, ...]] = {
    "on": str, "times": int, "contains": str, "datastream": str, "delay": (int, float), "status": int, "code": str,
    "headers": dict, "retry_after": int, "retry_after_date": int, "drop": str, "cut": bool,
}  # fmt: skip
ENDPOINTS = ("token", "collect", "ingest", "ingest_status")


@dataclass(slots=True)
class Fault:
    """One fault. With nothing but `on` and `times` it changes nothing.

    A status of 2xx is answered after the request was taken as usual; any other status or code takes nothing.
    """

    on: str = "*"  # one of ENDPOINTS, or "*" for all of them
    times: int | None = None  # requests; None: until it is removed
    contains: str | None = None  # only requests whose body has this text; the guilty event is the first that has it
    datastream: str | None = None  # only requests to collect whose query names this datastream, in either spelling
    delay: float = 0.0  # seconds before anything else happens
    status: int | None = None
    code: str | None = None  # nnnn-sss of a documented EXEG error
    body: Any = None  # JSON, or a string that is sent as it is
    headers: Mapping[str, str] | None = None
    retry_after: int | None = None  # seconds, sent as seconds
    retry_after_date: int | None = None  # seconds, sent as an HTTP-date
    drop: Literal["before", "after"] | None = None  # close the connection, before or after taking the request
    cut: bool = False  # send half of the answer, then close the connection

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Raises ValueError on a member or a value that is not one of a fault's."""
        unknown = set(content) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        for name, kinds in _KINDS.items():
            value = content.get(name)
            if value is not None and (not isinstance(value, kinds) or isinstance(value, bool) != (kinds is bool)):
                raise ValueError(f"{name} is of the wrong type")
        fault = cls(**content)
        if fault.on not in (*ENDPOINTS, "*"):
            raise ValueError(f"on must be * or one of {', '.join(ENDPOINTS)}")
        if fault.datastream is not None and fault.on not in ("collect", "*"):
            raise ValueError("only requests to collect name a datastream")
        if fault.code is not None and fault.code not in ERRORS:
            raise ValueError("code must be a documented one, such as 0306-400")
        if fault.drop not in (None, "before", "after"):
            raise ValueError("drop must be before or after")
        return fault

    def hits(self, endpoint: str, datastream_id: str | None, body: bytes) -> bool:
        """Whether this request is to meet the fault; `datastream_id` is what its query names, if it does."""
        if self.times == 0 or self.on not in (endpoint, "*"):
            return False
        if self.datastream is not None and (endpoint, datastream_id) != ("collect", self.datastream):
            return False
        return self.contains is None or self.contains.encode() in body

    def guilty_index(self, body: bytes) -> int:
        """The place of the first event that holds the text; 0 without a text."""
        if self.contains is None:
            return 0
        events = json.loads(body)["events"]
        return next((n for n, event in enumerate(events) if self.contains in json.dumps(event, ensure_ascii=False)), 0)

    def answer_headers(self, now: float) -> dict[str, str]:
        headers = dict(self.headers or {})
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.retry_after_date is not None:
            headers["Retry-After"] = formatdate(now + self.retry_after_date, usegmt=True)
        return headers


class Faults:
    """The faults in force, in the order they were set; a request meets the first that hits it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def in_force(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._faults]

    def clear(self) -> None:
        self._faults.clear()

    def meet(self, endpoint: str, datastream_id: str | None, body: bytes) -> Fault | None:
        for fault in self._faults:
            if fault.hits(endpoint, datastream_id, body):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
