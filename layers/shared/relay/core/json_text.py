"""A JSON text and where its values stand in it, so that they can be passed on as they were written."""

import re
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from itertools import accumulate
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final, NoReturn

BLANKS = " \t\n\r"
_blanks = re.compile(r"[ \t\n\r]+").match
_comma = re.compile(r"[ \t\n\r]*,[ \t\n\r]*").match
_arrays = re.compile(r"\[[\[ \t\n\r]*").match
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
_NO_ESCAPES = bytes(set(_NO_MARKS) - set(rb"\/bfnrtu"))  # what follows a backslash still does without these
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes: one level down, one level up
_TOGETHER = 100  # texts that are compacted in one pass: faster than one by one, and memory stays bounded


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# The value at a place of a text and where it ends; StopIteration where there is none. It is what raw_decode calls.
_scan: Callable[[str, int], tuple[Any, int]] = JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]


class _Undecoded(Enum):
    TOO_DEEP = "nested deeper than the interpreter can decode"


# What `Cursor` gives for such a value, beside its text. How deep that is depends on the version of Python and on how
# many calls are open, so a limit must be far below it.
TOO_DEEP: Final = _Undecoded.TOO_DEEP


class Cursor:
    """Reads a JSON text from left to right; every value is decoded once.

    `members` and `elements` stop at each value, which the caller reads, in whatever way, before it goes on. All raise
    ValueError where the text is not JSON, or not what was asked for.
    """

    __slots__ = ("at", "member_at", "text")

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at
        self.member_at = at  # where the name of the member that was read last begins

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        character = self.text[self.at : self.at + 1]
        if character and character in BLANKS:
            if blanks := _blanks(self.text, self.at):
                self.at = blanks.end()
            character = self.text[self.at : self.at + 1]
        return character

    def value(self) -> tuple[Any, str]:
        """The value here, decoded or `TOO_DEEP`, and as it is written."""
        self.peek()
        start = self.at
        value: Any
        try:
            value, self.at = _scan(self.text, start)
        except StopIteration:
            raise self._error("Expecting value") from None
        except RecursionError:
            value = TOO_DEEP
            self._skip()
        return value, self.text[start : self.at]

    def members(self) -> Iterator[str]:
        """The name of each member of the object here."""
        self._take("{")
        is_first = True
        while self._goes_on("}", is_first=is_first):
            self.peek()
            self.member_at = self.at
            yield self._name()
            is_first = False

    def elements(self) -> Iterator[int]:
        """The place of each element of the array here, from 0."""
        self._take("[")
        place = 0
        while self._goes_on("]", is_first=not place):
            yield place
            place += 1

    def array(self) -> tuple[list[Any], list[str]]:
        """The elements of the array here, each decoded or `TOO_DEEP`, and as they are written."""
        self._take("[")
        values: list[Any] = []
        texts: list[str] = []
        if self.peek() != "]":
            text, end, at = self.text, self.at, self.at
            try:
                while True:  # as short as can be: a batch has thousands
                    try:
                        value, end = _scan(text, at)
                    except RecursionError:
                        self.at = at
                        self._skip()
                        value, end = TOO_DEEP, self.at
                    values.append(value)
                    texts.append(text[at:end])
                    if not (comma := _comma(text, end)):
                        break
                    at = comma.end()
            except StopIteration as none:
                raise JSONDecodeError("Expecting value", text, none.value) from None
            self.at = end
        self._take("]")
        return values, texts

    def spans(self) -> dict[str, slice]:
        """Where the value of each member of the object here is written; of two with one name the last, as in `json`."""
        found = {}
        for name in self.members():
            self.peek()
            start = self.at
            self.value()
            found[name] = slice(start, self.at)
        return found

    def end(self) -> None:
        """Nothing may follow."""
        if self.peek():
            raise self._error("Extra data")

    def _skip(self) -> None:
        """Move past the value here, whatever its depth: as strict as the scanner, and ten times as slow."""
        closing: list[str] = []  # of the arrays and objects around this place
        while True:
            bracket = self.peek()
            is_empty = bracket in ("[", "{")  # so far
            if opened := _arrays(self.text, self.at):
                self.at = opened.end()
                closing += "]" * opened[0].count("[")
            elif bracket == "{":
                self.at += 1
                closing.append("}")
            else:
                self.value()
            while closing and self.peek() == closing[-1]:
                self.at += 1
                closing.pop()
                is_empty = False
            if not closing:
                return
            if not is_empty:
                self._take(",")
            if closing[-1] == "}":
                self._name()

    def _name(self) -> str:
        """The name of a member, and past its colon."""
        if self.peek() != '"':
            raise self._error("Expecting property name enclosed in double quotes")
        name, _ = self.value()
        self._take(":")
        return str(name)

    def _goes_on(self, closing: str, *, is_first: bool) -> bool:
        """Move past a comma to the next value, or past the closing bracket."""
        character = self.peek()
        if character == closing:
            self.at += 1
            return False
        if not is_first:
            self._take(",")
        return True

    def _take(self, expected: str) -> None:
        if self.peek() != expected:
            raise self._error(f"Expecting '{expected}' delimiter")
        self.at += 1

    def _error(self, message: str) -> JSONDecodeError:
        return JSONDecodeError(message, self.text, self.at)


def compact(texts: Sequence[str]) -> list[bytes]:
    r"""Parts of valid JSON in UTF-8, without their insignificant white space; every other byte stays.

    >>> compact(['{"a b": [1.50, "\\u00e9 \\" "]}', '"x" : 1'])
    [b'{"a b":[1.50,"\\u00e9 \\" "]}', b'"x":1']

    Raises ValueError for text that is not Unicode.
    """
    found: list[bytes] = []
    for start in range(0, len(texts), _TOGETHER):
        text = "\0".join(texts[start : start + _TOGETHER]).encode()  # the separator is no character of JSON
        found += _without_blanks(text).split(b"\0")
    return found


def is_deeper(text: bytes, levels: int) -> bool:
    r"""Whether a valid JSON text in UTF-8 has more than so many arrays and objects one within another.

    >>> is_deeper(b'[{"a": "]"}]', 2), is_deeper(b'[{"a": []}]', 2)
    (False, True)

    It is the text that counts: of two members with one name, a decoder keeps only the last.
    """
    least = 2 * levels  # brackets: each level opens and closes. Nearly no text has more
    if len(text) <= least or len(marks := text.translate(None, _NO_MARKS)) <= least:
        return False
    if b"\\" in text:  # quotes in strings do not end them
        escapes = text.translate(None, _NO_ESCAPES)
        marks = escapes.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _NO_MARKS)
    marks = marks.replace(b'""', b"")  # strings without brackets
    if b'"' in marks:
        marks = b"".join(marks.split(b'"')[::2])  # outside of strings
    if not marks:
        return False
    steps = marks.translate(_STEPS).replace(b"\x01\xff", b"")  # most are innermost: gone at once, and with them a level
    return 1 + max(accumulate(memoryview(steps).cast("b")), default=0) > levels


def _without_blanks(text: bytes) -> bytes:
    is_escaped = b"\\" in text
    if is_escaped:  # quotes in strings do not end them; these two bytes are in no UTF-8 text
        text = text.replace(rb"\\", b"\xfe").replace(rb"\"", b"\xff")
    pieces = text.split(b'"')  # outside and inside of strings, in turn
    pieces[::2] = b'"'.join(pieces[::2]).translate(None, b" \t\n\r").split(b'"')
    text = b'"'.join(pieces)
    return text.replace(b"\xff", rb"\"").replace(b"\xfe", rb"\\") if is_escaped else text
