"""Walking through a JSON text, and taking its white space out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.json_text import Cursor, compact

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
BLANKS = st.text(" \t\n\r", max_size=3)


def walk(text: str) -> Any:
    """What the text says, read step by step."""
    cursor = Cursor(text)
    value = walk_value(cursor)
    cursor.end()
    return value


def walk_value(cursor: Cursor) -> Any:
    if cursor.peek() == "{":
        return {name: walk_value(cursor) for name in cursor.members()}
    if cursor.peek() == "[":
        return [walk_value(cursor) for _ in cursor.elements()]
    return cursor.value()[0]


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_walking_reads_what_json_reads(value: Any, ensure_ascii: bool, indent: int | None):
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)

    assert walk(f" \r\n\t{text} ") == json.loads(text)


@given(st.text('{}[]",:1tn \\', max_size=12))
def test_walking_refuses_what_json_refuses(text: str):
    """And nothing else."""
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            walk(text)
    else:
        assert walk(text) == expected


@pytest.mark.parametrize("text", ['{"a": NaN}', "[Infinity]", "-Infinity"])
def test_what_python_alone_calls_a_number_is_refused(text: str):
    with pytest.raises(ValueError, match="is not JSON"):
        walk(text)


def test_a_value_comes_as_it_is_written():
    """Digits and escapes included."""
    cursor = Cursor(r' [ 19.90, "\u00e9" , {"a" : 1E2}]')

    assert cursor.array() == ([19.9, "é", {"a": 100.0}], ["19.90", r'"\u00e9"', '{"a" : 1E2}'])


@given(st.lists(VALUES), BLANKS)
def test_an_array_is_read_in_one_go_as_element_by_element(values: list[Any], blanks: str):
    text = f"{blanks}[{blanks}" + f"{blanks},{blanks}".join(map(json.dumps, values)) + f"{blanks}]"

    in_one_go = Cursor(text)
    step_by_step = Cursor(text)

    found = [step_by_step.value() for _ in step_by_step.elements()]
    assert list(zip(*in_one_go.array(), strict=True)) == found
    assert in_one_go.at == step_by_step.at == len(text)


@pytest.mark.parametrize("text", ["[1,]", "[,1]", "[1 2]", "[1", "[", "[1,", "{}", ""])
def test_what_is_no_array_is_refused(text: str):
    with pytest.raises(ValueError, match=r"."):
        Cursor(text).array()


def test_of_two_members_with_one_name_the_last_counts():
    """As for the standard decoder, by which the event was checked."""
    text = '{"a": 1, "b": [2], "a": {"c": 3}}'

    found = Cursor(text).spans()

    assert {name: text[place] for name, place in found.items()} == {"a": '{"c": 3}', "b": "[2]"}


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 2]), BLANKS)
def test_compacting_takes_nothing_but_white_space(value: Any, ensure_ascii: bool, indent: int | None, blanks: str):
    """What is left is what an encoder writes that puts none in."""
    spaced = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=(f"{blanks},", f":{blanks} "))
    dense = json.dumps(value, ensure_ascii=ensure_ascii, separators=(",", ":"))

    assert compact([f"{blanks}{spaced}", "1 ", spaced]) == [dense.encode(), b"1", dense.encode()]


def test_compacting_changes_no_digit_and_no_escape():
    text = r'{ "a\"b \\" : [ 19.90 , 1E2, -0.0 ], "\u00e9\\\" ": " \/ \ud83d\ude00 \ud800 " }'

    assert compact([text])[0] == rb'{"a\"b \\":[19.90,1E2,-0.0],"\u00e9\\\" ":" \/ \ud83d\ude00 \ud800 "}'
