"""Who is to blame for a refused request."""

import pytest

from relay.core.blame import blame
from relay.core.events import Event
from relay.core.problem import Problem, edge_problem

EVENTS = tuple(Event(index, b"{}") for index in (0, 3, 4, 7))  # the client's indexes


def problem(detail: str = "", *errors: object) -> Problem:
    return Problem(edge_problem("0105-400", "").type, 400, "t", detail, {"errors": list(errors)} if errors else {})


@pytest.mark.parametrize(
    ("said", "indexes"),
    [
        pytest.param(problem("no primary identity for event `#1`."), [3], id="detail"),
        pytest.param(problem("see report", "x at index 0", "y at index 3"), [0, 7], id="report"),
        pytest.param(problem("event #2", "x at index 2"), [4], id="both"),
        pytest.param(problem("the request is invalid"), [], id="nobody"),
        pytest.param(problem("event #9"), [], id="an index that was not sent"),
        pytest.param(problem("event `#1`, event: #4"), [3], id="the first index that was not sent"),
        pytest.param(problem("event #99999999999999999999"), [], id="a number without end"),
        pytest.param(problem("Invalid value 'Apt #3' of event `#1`"), [3], id="a number that the detail quotes"),
        pytest.param(problem("x", "item at index 2 of list in event at index 0"), [0], id="another index before it"),
        pytest.param(problem("x #1"), [], id="a number that names no event"),
    ],
)
def test_the_named_events_are_to_blame(said: Problem, indexes: list[int]):
    """As #n in the detail or "at index n" in the report; named by the client's own indexes."""
    assert [rejection.index for rejection in blame(said, EVENTS)] == indexes


def test_a_lonely_event_is_to_blame_whatever_was_said():
    """There is nobody else."""
    assert [rejection.index for rejection in blame(problem("invalid"), EVENTS[3:])] == [7]


def test_each_event_is_told_what_concerns_it():
    """In the client's indexes, and without what concerns others."""
    said = problem("event `#1`, event: #2", "a at index 1", "b at index 2", "c")

    rejection = blame(said, EVENTS)[0]

    assert rejection.problem.detail == "event `#3`, event: #4"
    assert rejection.problem.report == {"errors": ["a at index 3"]}
