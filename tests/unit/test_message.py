"""A message of the spool."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.events import Event, EventReader
from relay.core.message import Message, UnreadableMessage, read_message, write_message
from tests.support import NOW, event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def message(*contents: Any) -> Message:
    reader = EventReader("2026-11-21T12:00:00.000Z")
    events = [reader.read(index, content) for index, content in enumerate(contents)]
    return Message("d", "r", NOW, tuple(item for item in events if isinstance(item, Event)), 1, 0)


@given(JSON)
def test_events_come_back_byte_for_byte(data: Any):
    """So every later try sends the very bytes of the first."""
    try:
        written = message(event("a") | {"data": data})
        text = write_message(written)
    except UnicodeEncodeError:  # a lone surrogate is no event
        return

    assert text.isascii()
    assert read_message(text) == written


def test_a_message_says_what_version_it_is():
    """For the day when there are two."""
    content = json.loads(write_message(message(event("a"))))

    assert content["version"] == 1
    assert content["datastreamId"] == "d"
    assert [found["xdm"]["_id"] for found in content["events"]] == ["a"]


GOOD = json.loads(write_message(message(event("a"))))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("rubbish", id="not JSON"),
        pytest.param("[" * 100_000, id="too deep"),
        pytest.param("[]", id="no object"),
        pytest.param("{}", id="no members"),
        *(
            pytest.param(json.dumps(GOOD | {name: value}), id=f"{name}={value}")
            for name, value in [
                ("version", 2),
                ("events", []),
                ("events", [5]),
                ("events", "x"),
                ("acceptedAt", "yesterday"),
                ("attempts", None),
                ("uncertain", "x"),
            ]
        ),
    ],
)
def test_what_is_no_message_is_told(text: str):
    """Whatever somebody has put into the queue."""
    with pytest.raises(UnreadableMessage):
        read_message(text)
