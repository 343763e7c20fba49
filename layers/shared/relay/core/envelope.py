"""The envelope: everything of a client's request that belongs to the request and not to one of its events.

Events may share a request to Edge only when their envelopes are equal.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlencode

# Edge derives device, language and location from these, and without them takes the sending server for the visitor.
# Adobe's server SDK passes on all but the last, which ties a request to a debugging session of Adobe Assurance.
# Source: AdobeDocs, Server SDK; aepsdk-edge-ios and -android.
VISITOR_HEADERS = (
    "User-Agent",
    "Accept-Language",
    "Sec-CH-UA",
    "Sec-CH-UA-Mobile",
    "Sec-CH-UA-Platform",
    "Sec-CH-UA-Platform-Version",
    "Sec-CH-UA-Arch",
    "Sec-CH-UA-Bitness",
    "Sec-CH-UA-Full-Version-List",
    "Sec-CH-UA-Model",
    "Sec-CH-UA-WoW64",
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "x-adobe-aep-validation-token",
)

FRAME_BYTES = len(b'{"events":[]}')

# API Gateway lets 10,240 bytes of headers and query through, so these are bounds for whoever calls otherwise.
MAX_HEADER_BYTES = 8_192  # of values
MAX_PARAMETERS = 50
MAX_PARAMETER_BYTES = 4_096  # as they stand in the URL

# The relay reads these itself: it answers the client in Edge's place, and asks Edge under ids of its own.
OWN_PARAMETERS = frozenset({"datastreamid", "requestid", "silent"})

# or2, va6, irl1, ind1, jpn3, sgp3, aus3 today. Whether there are others is Edge's to say.
_HINT = re.compile(r"[A-Za-z0-9]{1,16}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # a tab may stand in a header


class Envelope(NamedTuple):
    """Where a request goes, and what goes with its events. Headers and parameters are (name, value) pairs."""

    datastream_id: str
    hint: str = ""  # the location hint of the path; empty: none
    members: bytes = b""  # those of the body beside `events`, as they were written: `"meta":{…},"query":{…}`
    parameters: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def overhead(self) -> int:
        """The bytes of a request's body that are not of its events or the commas between them."""
        return FRAME_BYTES + (len(self.members) + 1 if self.members else 0)  # 1: the comma

    def body(self, events: Iterable[bytes]) -> bytes:
        """The body of the request that carries the events, in order."""
        members = self.members + b"," if self.members else b""
        return b"{" + members + b'"events":[' + b",".join(events) + b"]}"

    def fault(self) -> str | None:
        """What of it cannot be sent, in words that quote no value; None when all is well."""
        if self.hint and not is_hint(self.hint):
            return "The location hint is not valid."
        return parameters_fault(self.parameters) or headers_fault(self.headers)


def is_hint(text: str) -> bool:
    """Whether the text can be a location hint, which becomes a part of a path."""
    return bool(_HINT.fullmatch(text))


def parameters_fault(parameters: tuple[tuple[str, str], ...]) -> str | None:
    """What is wrong with query parameters that are to be passed on."""
    if len(parameters) > MAX_PARAMETERS:
        own = "datastreamId, requestId and silent"
        return f"The query has {len(parameters)} parameters besides {own}. Send {MAX_PARAMETERS} at most."
    size = 0
    for name, value in parameters:
        if name.lower() in OWN_PARAMETERS:
            return f"The query parameter {printable(name)} is the relay's own."
        try:
            size += len(urlencode([(name, value)])) + 1  # 1: the &
        except UnicodeEncodeError:
            return f"The query parameter {printable(name)} is not Unicode text."
        if size > MAX_PARAMETER_BYTES:
            return _too_large("query parameters", MAX_PARAMETER_BYTES, printable(name))
    return None


def headers_fault(headers: tuple[tuple[str, str], ...]) -> str | None:
    """What is wrong with headers that are to be passed on."""
    size = 0
    for name, value in headers:
        if name not in VISITOR_HEADERS:
            return f"The header {printable(name)} is not a visitor header."
        if value != value.strip(" \t"):
            return f"The header {name} has blanks around its value."
        if _CONTROL.search(value):
            return f"The header {name} contains control characters. Remove them."
        try:
            size += len(value.encode())
        except UnicodeEncodeError:
            return f"The header {name} is not Unicode text."
        if size > MAX_HEADER_BYTES:
            return _too_large("visitor headers", MAX_HEADER_BYTES, name)
    return None


def _too_large(things: str, limit: int, last: str) -> str:
    return f"The {things} are larger than {limit} bytes in all; the limit was passed at {last}. Shorten or drop some."


def printable(name: str) -> str:
    """A client's name for something, fit to be shown: printable ASCII of bounded length."""
    return ascii(name[:64])[1:-1]
