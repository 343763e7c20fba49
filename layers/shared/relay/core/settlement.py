"""What became of events at Edge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from relay.core.events import Event, Rejection
from relay.core.evidence import Weight
from relay.core.problem import Problem
from relay.core.verdict import Judgement, Verdict


class Deferred(NamedTuple):
    """Events of one client's request that Edge has not decided on, and why; one Edge request holds them."""

    events: tuple[Event, ...]
    judgement: Judgement
    weight: Weight = Weight.NONE  # what this try counts against an only event

    @property
    def is_about_one_event(self) -> bool:
        """Whether Edge was asked about a single event, and said nothing."""
        judgement = self.judgement
        return len(self.events) == 1 and judgement.verdict is Verdict.UNCERTAIN and not judgement.has_failed


class Refusal(NamedTuple):
    """Events that were refused together and for good, Edge's problem with them, and the id of the request to Edge."""

    events: tuple[Event, ...]
    problem: Problem
    sent_as: str
    reason: str = "request refused"

    def rejections(self) -> list[Rejection]:
        return [Rejection(event.index, self.problem, self.sent_as) for event in self.events]


@dataclass(slots=True)
class Settlement:
    """What became of each event: every one is in exactly one of the first four."""

    delivered: list[Event] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    deferred: list[Deferred] = field(default_factory=list)
    notices: list[Mapping[str, Any]] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)  # one for each Edge request, in no order
    ignored: int = 0  # of the delivered: Adobe dropped them for lack of consent
    in_doubt: int = 0  # events sent without an answer, each time: Adobe may have them although they are sent again
    tokens_minted: int = 0

    def add(self, other: "Settlement") -> None:
        self.delivered += other.delivered
        self.rejections += other.rejections
        self.refusals += other.refusals
        self.deferred += other.deferred
        self.notices += other.notices
        self.judgements += other.judgements
        self.ignored += other.ignored
        self.in_doubt += other.in_doubt
        self.tokens_minted += other.tokens_minted

    @property
    def was_tried(self) -> bool:
        """Whether anything was attempted."""
        return any(judgement.was_tried for judgement in self.judgements)

    def derived_ids(self, request_id: str) -> list[str]:
        """The ids under which Edge got, or would have got, parts of the client's request; without the client's own."""
        return [judgement.sent_as for judgement in self.judgements if judgement.sent_as != request_id]
