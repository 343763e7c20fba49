"""Who is to blame: the events that Edge names among those it refused together."""

import re
from collections.abc import Sequence

from relay.core.events import Event, Rejection
from relay.core.problem import Problem

# How Edge names an event of the request it got: "event `#2`" in a detail, "… at index 2" at the end of a report's line.
# Nothing looser: what a detail quotes of an event may hold numbers, too, and a good event must not be taken for a bad.
_IN_DETAIL = re.compile(r"(\bevent:? `?#)(\d{1,6})(?!\d)", re.IGNORECASE)
_IN_REPORT = re.compile(r"(\bat index )(\d{1,6})(?=\W*$)")


def blame(problem: Problem, events: Sequence[Event]) -> list[Rejection]:
    """The events of the refused request that the problem names, each with what is said about it.

    The only event of a request is to blame for whatever was said. Empty when the problem names nobody: then halving the
    request will tell. Indexes are turned into those of the client's own array.
    """
    said: dict[int, list[str]] = {0: []} if len(events) == 1 else {}
    for _, index in _IN_DETAIL.findall(problem.detail):
        said.setdefault(int(index), [])
    for error in problem.report.get("errors", ()):
        if found := _IN_REPORT.search(str(error)):
            said.setdefault(int(found[2]), []).append(str(error))
    return [
        Rejection(events[index].index, _about(problem, said[index], events))
        for index in sorted(said)
        if index < len(events)
    ]


def _about(problem: Problem, errors: list[str], events: Sequence[Event]) -> Problem:
    """The problem as it concerns one event: of the report's errors, those that name it."""
    return problem._replace(
        detail=_in_client_terms(_IN_DETAIL, problem.detail, events),
        report={"errors": [_in_client_terms(_IN_REPORT, error, events) for error in errors]} if errors else {},
    )


def _in_client_terms(named: re.Pattern[str], text: str, events: Sequence[Event]) -> str:
    def client_index(found: re.Match[str]) -> str:
        index = int(found[2])
        return f"{found[1]}{events[index].index if index < len(events) else index}"

    return named.sub(client_index, text)
