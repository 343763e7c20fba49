"""A problem: what a caller is told when something is wrong, in the form of RFC 9457."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

EDGE_ERRORS = "https://ns.adobe.com/aep/errors/EXEG-"
OUR_ERRORS = "urn:adobe-relay:"

# Edge's own titles, so that a client written against Edge reads the words it knows.
# Source: AdobeDocs/data-collection-apis, "Detailed error codes list".
_TITLES = {
    "0002-400": "Missing datastream parameter",
    "0003-400": "Invalid datastream ID",
    "0101-400": "Invalid JSON request",
    "0102-400": "Invalid request field",
    "0103-400": "Missing required value",
    "0105-400": "Input validation error",
    "0106-400": "Invalid Content-Type header",
    "0108-400": "Invalid parameter type",
    "0109-408": "Empty request",
    "0111-415": "Invalid request",
    "0112-413": "Invalid request",
    "0306-400": "Event is missing primary identity",
}


class Problem(NamedTuple):
    """`{type, status, title, detail, report}` of RFC 9457; `status` is also the HTTP status of the answer."""

    type: str
    status: int
    title: str
    detail: str = ""
    report: Mapping[str, Any] = MappingProxyType({})

    def as_json(self, **report: Any) -> dict[str, Any]:
        """The JSON object, with the given members added to its report; empty members are left out."""
        members: dict[str, Any] = {"type": self.type, "status": self.status, "title": self.title}
        if self.detail:
            members["detail"] = self.detail
        if whole_report := {**self.report, **report}:
            members["report"] = whole_report
        return members


def edge_problem(code: str, detail: str) -> Problem:
    """A condition that is one of Edge's own; `code` is the `nnnn-sss` of EXEG-nnnn-sss, which ends in its status."""
    return Problem(EDGE_ERRORS + code, int(code[-3:]), _TITLES[code], detail)


def our_problem(name: str, status: int, title: str, detail: str) -> Problem:
    """A condition that only the relay has."""
    return Problem(OUR_ERRORS + name, status, title, detail)
