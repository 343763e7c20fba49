"""The body of a POST /ee/v2/collect: its events, and its members beside them, as they are written."""

import json

import pytest

from relay.body import read_content
from tests.support import event


def padded(size: int, blanks: int) -> str:
    """A body of so many bytes, of which so many are white space."""
    text = json.dumps({"events": [event("a", text="x")]}, separators=(",", ":"))
    return text.replace('"x"', " " * blanks + '"' + "x" * (size - blanks - len(text) + 1) + '"')


@pytest.mark.parametrize(
    ("size", "blanks", "goes"),
    [
        pytest.param(8_192, 1, False, id="one unit either way"),
        pytest.param(8_193, 1, True, id="one byte into the second unit"),
        pytest.param(8_300, 107, False, id="not enough to save a unit"),
        pytest.param(8_300, 108, True, id="enough to save a unit"),
        pytest.param(50_000, 500, False, id="many units"),
        pytest.param(50_000, 10_000, True, id="many units, much white space"),
        pytest.param(64_200, 300, True, id="one that fits only without"),
    ],
)
def test_white_space_goes_where_it_costs_quota(size: int, blanks: int, goes: bool):
    """Adobe counts each started 8 KB; to look for the rest would cost more than it saves."""
    content = read_content(padded(size, blanks).encode())

    assert len(padded(size, blanks)) == size
    assert (b" " not in content.texts[0]) == goes


def test_members_lose_their_white_space():
    """Requests whose members differ in nothing else have equal envelopes."""
    texts = ['{"meta": {"a": 1}, "events": [{}]}', '{"events": [{}],"meta":{"a":1}}']

    assert {read_content(text.encode()).members for text in texts} == {b'"meta":{"a":1}'}


@pytest.mark.parametrize("text", ["é", "漢", "\U0001f600", "\ufffe"], ids=ascii)
def test_other_alphabets_are_counted_in_bytes(text: str):
    """And stay what they are."""
    body = json.dumps({"events": [event(text * 3_000, text=" " * 3_000)]}, ensure_ascii=False, indent=1).encode()

    (written,) = read_content(body).texts

    assert json.loads(written) == json.loads(body)["events"][0]
