r"""Complete an event in its text, and leave every other character as it is.

A name that occurs once, and cannot occur in escapes (`\u0078dm`), is found by looking for it. Only otherwise is the
text walked through, which takes ten times as long.
"""

import json
import re
from collections.abc import Iterator, Mapping, Set

from relay.core.json_text import Cursor

_XDM = re.compile(r'"xdm"[ \t\n\r]*:[ \t\n\r]*')
_PRIMARY = re.compile(r'("primary"[ \t\n\r]*:[ \t\n\r]*)"(true|false)"')
_ESCAPED_ASCII = r"\u00"


def with_members(text: str, members: Mapping[str, str], nulls: Set[str]) -> str:
    """The event's text with these members in its xdm; those that are `nulls` there get their value."""
    start = _start_of_xdm(text)
    absent = "".join([f'"{name}":"{value}",' for name, value in members.items() if name not in nulls])
    edits = [(slice(start + 1, start + 1), absent)]  # an xdm is never empty: there is its identity map
    if nulls:
        places = Cursor(text, start).spans()
        edits += [(places[name], f'"{members[name]}"') for name in nulls]
    return _edit(text, edits)


def with_booleans(text: str, count: int) -> str:
    """The event's text in which `count` identities say as a string whether they are primary, with booleans instead."""
    replaced, found = _PRIMARY.subn(r"\1\2", text)
    return replaced if found == count and _ESCAPED_ASCII not in text else _edit(text, list(_booleans(text)))


def _start_of_xdm(text: str) -> int:
    if text.count('"xdm"') == 1 and _ESCAPED_ASCII not in text and (found := _XDM.search(text)):
        return found.end()
    start: int = Cursor(text).spans()["xdm"].start
    return start


def _booleans(text: str) -> Iterator[tuple[slice, str]]:
    xdm = Cursor(text, _start_of_xdm(text)).spans()
    for namespace in Cursor(text, xdm["identityMap"].start).spans().values():
        identities = Cursor(text, namespace.start)
        for _ in identities.elements():
            primary = identities.spans().get("primary")
            if primary and (said := json.loads(text[primary])) in ("true", "false"):
                yield primary, said


def _edit(text: str, edits: list[tuple[slice, str]]) -> str:
    """The text with other words in these places, of which none overlap."""
    pieces = []
    at = 0
    for place, words in sorted(edits, key=lambda edit: edit[0].start):
        pieces += [text[at : place.start], words]
        at = place.stop
    return "".join([*pieces, text[at:]])
