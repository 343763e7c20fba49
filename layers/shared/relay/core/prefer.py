"""The header `Prefer` of RFC 7240: whether a client wants to wait for Edge. Nothing that it says is an error."""

import re
from collections.abc import Iterable

_NAME = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"

# Neither ever fails once it has begun, so neither goes back.
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.?)*"?)+', re.DOTALL)  # up to a comma that is not in a quoted string
_PREFERENCE = re.compile(rf'({_NAME})[ \t]*(?:=[ \t]*(?:({_NAME}|"(?:[^"\\]|\\.)*")[ \t]*)?)?(?:;|\Z)')
_SECONDS = re.compile("0*[1-9][0-9]*")


def is_asynchronous(lines: Iterable[str]) -> bool | None:
    """Whether the client wants its answer before Edge's; None: it does not say. `lines` are those of the header.

    `wait` with a number of seconds is a no, also beside `respond-async`: the relay asks Edge within its time, and what
    Edge does not take then is answered for all the same.
    """
    preferences: dict[str, str] = {}
    for line in lines:
        for element in _ELEMENT.findall(line):
            if found := _PREFERENCE.match(element.strip(" \t")):
                preferences.setdefault(found[1].lower(), (found[2] or "").strip('"'))  # of two the first counts
    if _SECONDS.fullmatch(preferences.get("wait", "")):
        return False
    return True if preferences.get("respond-async") == "" else None
