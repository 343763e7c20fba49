"""In which order the loads of a round go to Edge, and which do not go: one asks, the others follow if Edge takes it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from relay.core.load import Load
from relay.core.settlement import Settlement
from relay.core.verdict import Judgement, Scope, Verdict

# Loads that Edge says nothing about, one after the other: the first may hold the only bad event. The second is the one
# that waits longest, so that new bad events do not hold back what has been there before.
_UNCLEAR_IN_A_ROW = 2

# Where there is trouble: None is Edge as a whole, then a datastream, then a datastream at a location hint.
Place = None | str | tuple[str, str]


class Schedule:
    """The loads that wait, those that Edge has failed on last. Start the `next`, `learn` what came of it."""

    def __init__(self, loads: Sequence[Load]) -> None:
        self._waiting = list(loads)
        self._in_flight: list[Load] = []
        self._takes: set[Place] = set()  # where Edge has taken something, or said what it takes
        self._unclear: Counter[Place] = Counter()  # loads in a row
        self.outages: dict[Place, Judgement] = {}

    def next(self) -> Load | None:
        """The next load that may go now; None if none may, or none before another one has come back."""
        found = next(filter(self._may_go, self._waiting), None)
        if found and (self._unclear[None] or self._unclear[found.envelope.datastream_id]):
            found = min(filter(self._may_go, self._waiting), key=lambda load: (load.is_suspect, load.accepted_at))
        if found:
            self._waiting.remove(found)
            self._in_flight.append(found)
        return found

    def learn(self, load: Load, settlement: Settlement) -> None:
        """What came of a load, and of others that it concerns."""
        self._in_flight.remove(load)
        datastream_id = load.envelope.datastream_id
        if settlement.delivered or settlement.rejections or settlement.refusals:
            self._takes |= {None, datastream_id}
        judgements = [deferred.judgement for deferred in settlement.deferred]
        if settlement.delivered:
            self._unclear[None] = self._unclear[datastream_id] = 0
        elif not (load.is_suspect and datastream_id in self._takes):
            unclear = [judgement for judgement in judgements if judgement.says_nothing]
            self._unclear.update({place for judgement in unclear for place in _troubled(judgement, load)})
        for judgement in judgements:
            for place in self._places_of(judgement, load):
                keep_longest(self.outages, place, judgement)

    def rest(self) -> Iterator[tuple[Load, Judgement | None]]:
        """The loads that do not go in this round, and what keeps them; None: there is no time."""
        for load in self._waiting:
            yield load, self._outage(load)

    def _may_go(self, load: Load) -> bool:
        if self._outage(load):
            return False
        datastream_id = load.envelope.datastream_id
        if self._in_flight and None not in self._takes:
            return False
        beside = [other for other in self._in_flight if other.envelope.datastream_id == datastream_id]
        if load.is_suspect and not all(other.is_suspect for other in beside):
            return False  # first it must show whether Edge takes others
        return not beside or datastream_id in self._takes

    def _outage(self, load: Load) -> Judgement | None:
        envelope = load.envelope
        for place in (None, envelope.datastream_id, (envelope.datastream_id, envelope.hint)):
            if outage := self.outages.get(place):
                return outage
        return None

    def _places_of(self, judgement: Judgement, load: Load) -> Iterator[Place]:
        """Where nothing more is to be sent in this round."""
        datastream_id, hint = load.envelope.datastream_id, load.envelope.hint
        if judgement.verdict is Verdict.SETUP:  # it can be about one datastream, or one location hint
            yield None if judgement.status is None else (datastream_id, hint)
        for place in _troubled(judgement, load):
            if not judgement.says_nothing or self._unclear[place] >= _UNCLEAR_IN_A_ROW:
                yield place


def _troubled(judgement: Judgement, load: Load) -> list[Place]:
    """Where the trouble is: nowhere, or at one place."""
    scope = judgement.trouble if judgement.was_tried else judgement.scope
    return [None if scope is Scope.EDGE else load.envelope.datastream_id] if scope else []


def keep_longest(found: dict[Any, Judgement], key: Any, judgement: Judgement) -> None:
    """Of judgements alike, the one with the longest wait that Adobe asked for."""
    known = found.get(key)
    if not known or (judgement.retry_after or 0.0) > (known.retry_after or 0.0):
        found[key] = judgement
