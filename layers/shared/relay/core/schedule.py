"""In which order the loads of a round go to Edge, and which do not go: one asks, the others follow if Edge takes it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from relay.core.load import Load
from relay.core.settlement import Deferred, Settlement
from relay.core.verdict import Judgement, Scope, Verdict

# Loads of a datastream that Edge says nothing about, one after the other: the first may hold the only bad event.
_UNCLEAR_IN_A_ROW = 2

# Where there is trouble: None is Edge as a whole, then a datastream, then a datastream at a location hint.
Place = None | str | tuple[str, str]


class Schedule:
    """The loads that wait, those that Edge has failed on last. Start the `next`, `learn` what came of it."""

    def __init__(self, loads: Sequence[Load]) -> None:
        self._waiting = list(loads)
        self._in_flight: list[Load] = []
        self._takes: set[Place] = set()  # where Edge has taken something, or said what it takes
        self._unclear: Counter[str] = Counter()  # loads in a row, by datastream
        self.outages: dict[Place, Judgement] = {}

    def next(self) -> Load | None:
        """The next load that may go now; None if none may, or none before another one has come back."""
        for place, load in enumerate(self._waiting):
            if self._may_go(load):
                del self._waiting[place]
                self._in_flight.append(load)
                return load
        return None

    def learn(self, load: Load, settlement: Settlement) -> None:
        """What came of a load, and of others that it concerns."""
        self._in_flight.remove(load)
        datastream_id = load.envelope.datastream_id
        if settlement.delivered:
            self._unclear[datastream_id] = 0
        elif not load.is_suspect and any(map(_says_nothing, settlement.deferred)):
            self._unclear[datastream_id] += 1
        if settlement.delivered or settlement.rejections or settlement.refusals:
            self._takes |= {None, datastream_id}
        for _, judgement in settlement.deferred:
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
        scope = judgement.trouble if judgement.was_tried else judgement.scope
        if scope is Scope.EDGE:
            yield None
        elif scope is Scope.DATASTREAM:
            is_suspicion = judgement.verdict is Verdict.UNCERTAIN
            if not is_suspicion or self._unclear[datastream_id] >= _UNCLEAR_IN_A_ROW:
                yield datastream_id


def _says_nothing(deferred: Deferred) -> bool:
    """Whether Edge has not said anything about the events. Code of ours that fails is not Edge."""
    return deferred.judgement.verdict is Verdict.UNCERTAIN and not deferred.judgement.has_failed


def keep_longest(found: dict[Any, Judgement], key: Any, judgement: Judgement) -> None:
    """Of judgements alike, the one with the longest wait that Adobe asked for."""
    known = found.get(key)
    if not known or (judgement.retry_after or 0.0) > (known.retry_after or 0.0):
        found[key] = judgement
