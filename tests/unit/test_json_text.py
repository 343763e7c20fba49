"""Walking through a JSON text, and taking its white space out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.json_text import TOO_DEEP, Cursor, compact, is_deeper

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


DEEP = "[" * 100_000 + '{"a": {}, "]": [1, []]}' + "]" * 100_000  # for any version of Python


def test_a_value_that_is_too_deep_to_decode_comes_as_it_is_written():
    """No depth is an error, and the reading goes on after it."""
    cursor = Cursor(f' {DEEP} , "next"')

    assert cursor.value() == (TOO_DEEP, DEEP)
    assert cursor.text[cursor.at :] == ' , "next"'


@pytest.mark.parametrize("blanks", ["", " \n"], ids=["dense", "spaced"])
def test_an_array_with_elements_that_are_too_deep_is_read_to_its_end(blanks: str):
    """Each of them by itself."""
    separator = f"{blanks},{blanks}"
    deep = DEEP.replace("[", f"[{blanks}").replace("]", f"{blanks}]").replace(f'"{blanks}]"', '"]"')

    values, texts = Cursor(f"[{blanks}{separator.join([deep, '1', deep])}{blanks}]").array()

    assert values == [TOO_DEEP, 1, TOO_DEEP]
    assert texts == [deep, "1", deep]


@given(st.text('{}[]",:1tn \\', max_size=12) | VALUES.map(json.dumps))
def test_a_value_that_is_too_deep_is_held_to_the_same_grammar(inner: str):
    """What is no JSON is refused there, too."""
    text = "[" * 100_000 + inner + "]" * 100_000
    try:
        json.loads(f"[{inner}]")
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            walk_to_the_end(text)
    else:
        assert walk_to_the_end(text) is TOO_DEEP


def walk_to_the_end(text: str) -> Any:
    cursor = Cursor(text)
    value, _ = cursor.value()
    cursor.end()
    return value


def depth(value: Any) -> int:
    """How many arrays and objects stand one within another."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


NESTED = st.recursive(
    st.none() | st.text('[]{}"\\/nu0', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{}"\\', max_size=3), inner, max_size=3),
    max_leaves=20,
)


@given(NESTED, st.booleans(), st.sampled_from([None, 1]))
def test_depth_is_what_is_nested_outside_of_strings(value: Any, ensure_ascii: bool, indent: int | None):
    """Brackets, quotes and backslashes within strings count for nothing."""
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent).encode()

    levels = depth(value)

    assert not is_deeper(text, levels)
    assert levels == 0 or is_deeper(text, levels - 1)


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
