"""Nothing vanishes: an oracle on event ids, whatever goes wrong at whichever call to the outside.

Collect and redeliver run with everything of their own; Adobe and SQS are played. After each run every accepted event is
delivered or a dead letter, every rejected one is nowhere, and nothing is in two places unless something was in doubt.
"""

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer, DataRecord
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from functions.collect.app import handler as collect
from functions.redeliver.app import handler as redeliver
from relay.accept import Acceptor
from relay.authorize import Authorizer
from relay.collect import Collect
from relay.core.authorization import Authorization, Credentials, Token
from relay.core.envelope import Envelope
from relay.core.verdict import Answer
from relay.errors import NoAnswer, SetupError, Unreachable
from relay.forward import Forwarder
from relay.idempotency import Idempotency
from relay.redeliver import Redeliverer
from tests.support import Clock, FakeCredentials, context, event, ids, post, problem, spooled_events

# A killed function has nothing to publish; here its decorators still run.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")


class Killed(BaseException):
    """SIGKILL: nothing of ours runs after it."""


# What can go wrong at each kind of call to the outside.
FAULTS = {
    "edge": [
        "503", "429", "500", "403", "0003-400", "401", "unreachable", "lost before", "lost after", "slow",
        "killed before", "killed after",
    ],
    "token": ["unreachable", "refused", "killed before", "killed after"],
    "put": ["fails", "fails in part", "fails though stored", "killed before", "killed after"],
    "put back": ["fails", "killed before"],
    "delete": ["fails"],
    "table": ["down"],
}  # fmt: skip


@dataclass
class Message:
    text: str
    attributes: Mapping[str, str]
    visible_at: float
    receives: int = 0


@dataclass
class World:
    """Adobe and SQS; `faults`, by the number of the call to the outside, are positions in FAULTS."""

    faults: dict[int, int] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)  # events that Adobe never takes
    clock: Clock = field(default_factory=Clock)
    delivered: Counter[str] = field(default_factory=Counter)
    queues: dict[str, dict[str, Message]] = field(default_factory=lambda: {"spool": {}, "dead": {}})
    doubtful: set[str] = field(default_factory=set)
    in_hand: set[str] = field(default_factory=set)  # of the redelivery that runs
    calls: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """New execution environments: what they kept in memory is gone."""
        spool, dead = PlayedQueue(self, "spool"), PlayedQueue(self, "dead")
        acceptor = Acceptor(self._forwarder(), spool, self.clock)
        self.collect = Collect(acceptor, lambda: Idempotency(PlayedTable(self)), set(), self.clock)
        self.redeliverer = Redeliverer(self._forwarder(), spool, dead, self, lambda: 0.5, self.clock)

    def _forwarder(self) -> Forwarder:
        return Forwarder(PlayedEdge(self), Authorizer(FakeCredentials(), self, self.clock), self.clock)

    def fault(self, kind: str) -> str | None:
        """What goes wrong with this call."""
        number = len(self.calls)
        self.calls.append(kind)
        if number not in self.faults:
            return None
        return FAULTS[kind][self.faults[number] % len(FAULTS[kind])]

    # IMS
    def mint(self, credentials: Credentials, now: float, within: float) -> Token:
        match self.fault("token"):
            case "unreachable":
                raise Unreachable("x")
            case "refused":
                raise SetupError("x")
            case "killed before" | "killed after":
                raise Killed
        return Token("t", now + 86_400, 86_400)

    def take(self, events: list[dict[str, Any]]) -> None:
        self.delivered.update(found["xdm"]["_id"] for found in events if found["xdm"]["_id"] not in self.bad)

    # the record of replays
    def claim(self, dead_letter_id: str, message_id: str) -> bool:
        return True

    # what a client and SQS do
    def accept(self, sizes: Sequence[int], names: Sequence[str]) -> tuple[set[str], set[str]]:
        """Ids that the client was told are accepted, and those it was told are rejected."""
        contents = [event(name, text="x" * size) for name, size in zip(names, sizes, strict=True)]
        try:
            query = {"datastreamId": "d", "requestId": f"request-{next(self._numbers)}"}
            response = collect(post({"events": contents}, query=query), context(), self.collect)
        except Killed:
            self.doubtful |= set(names)  # the client heard nothing
            self.restart()
            return set(), set()
        content = json.loads(response["body"] or "{}")
        status = response["statusCode"]
        if status == 503:
            accepted = {names[index] for index in content["report"]["acceptedIndexes"]}
            self.doubtful |= set(names) - accepted  # the client sends them again
            return accepted, set()
        if status >= 400:
            return set(), set(names)
        rejected = {names[error["report"]["eventIndex"]] for error in content.get("errors", [])}
        return set(names) - rejected, rejected

    def redeliver(self, message_ids: Sequence[str]) -> None:
        """One invocation with these messages of the spool, as SQS's event source does it."""
        spool = self.queues["spool"]
        records = []
        for message_id in message_ids:
            spool[message_id].receives += 1
            spool[message_id].visible_at = self.clock() + 180
            records.append(self._record(message_id, spool[message_id]))
        self.in_hand = {name for record in records for name in _ids(record["body"])}
        try:
            answer = redeliver({"Records": records}, context(30), self.redeliverer)
        except Killed:
            self.doubtful |= self.in_hand
            self.restart()
            return
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for record in records:
            if record["messageId"] not in failed:
                if self.fault("delete"):
                    self.doubtful |= _ids(record["body"])  # SQS delivers it once more
                else:
                    spool.pop(record["messageId"], None)

    @staticmethod
    def _record(message_id: str, message: Message) -> dict[str, Any]:
        return {
            "messageId": message_id,
            "receiptHandle": message_id,
            "body": message.text,
            "attributes": {"ApproximateReceiveCount": str(message.receives)},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
        }

    def visible(self) -> list[str]:
        return [name for name, message in self.queues["spool"].items() if message.visible_at <= self.clock()]

    def drain(self) -> None:
        """Adobe is well again: redeliver until nothing waits."""
        self.faults = {}
        for _ in range(200):
            if not self.queues["spool"]:
                return
            self.clock.seconds += 1800
            while waiting := self.visible():
                self.redeliver(waiting[:10])
        raise AssertionError("the spool does not drain")

    def held(self, queue: str) -> set[str]:
        return {name for message in self.queues[queue].values() for name in _ids(message.text)}

    def check(self, accepted: set[str], rejected: set[str]) -> None:
        """Nothing vanishes; nothing is in two places, unless in doubt; what was rejected is nowhere."""
        delivered, dead, waiting = set(self.delivered), self.held("dead"), self.held("spool")
        assert accepted <= delivered | dead | waiting
        assert (delivered & dead) | (delivered & waiting) | (dead & waiting) <= self.doubtful
        assert {name for name, count in self.delivered.items() if count > 1} <= self.doubtful
        assert rejected & (delivered | dead | waiting) <= self.doubtful


@dataclass
class PlayedEdge:
    """Edge Network, as the adapter shows it."""

    world: World

    def collect(
        self, envelope: Envelope, request_id: str, body: bytes, authorization: Authorization, within: float
    ) -> Answer:
        events = json.loads(body)["events"]
        fault = self.world.fault("edge")
        match fault:
            case None:
                pass
            case "unreachable":
                raise Unreachable("x")
            case "lost before" | "killed before" | "lost after" | "killed after" | "slow":
                self.world.doubtful |= ids(events)
                if fault in ("lost after", "killed after", "slow"):
                    self.world.take(events)
                self.world.clock.seconds += 9 if fault == "slow" else 0
                raise Killed if fault.startswith("killed") else NoAnswer("x")
            case "429":
                return Answer(429, {"retry-after": "7"}, b"")
            case "0003-400":
                return Answer(400, {}, problem(fault))
            case _:
                return Answer(int(fault), {}, b"")
        guilty = [index for index, found in enumerate(events) if found["xdm"]["_id"] in self.world.bad]
        if guilty:  # sometimes named, sometimes not
            detail = f"event `#{guilty[0]}`" if len(self.world.calls) % 2 else ""
            return Answer(400, {}, problem("0308-400", detail=detail))
        self.world.take(events)
        return Answer(202, {}, b"")


class PlayedTable(BasePersistenceLayer):
    """DynamoDB, as Powertools Idempotency uses it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._records: dict[str, DataRecord] = {}

    def _ask(self) -> None:
        if self._world.fault("table"):
            raise ConnectionError

    def _get_record(self, idempotency_key: str) -> DataRecord:
        self._ask()
        return self._records[idempotency_key]

    def _put_record(self, data_record: DataRecord) -> None:
        self._ask()
        self._records[data_record.idempotency_key] = data_record

    def _update_record(self, data_record: DataRecord) -> None:
        self._put_record(data_record)

    def _delete_record(self, data_record: DataRecord) -> None:
        self._ask()
        del self._records[data_record.idempotency_key]


def _ids(text: str) -> set[str]:
    return ids(spooled_events(text))


@dataclass
class PlayedQueue:
    """SQS, as the adapter shows it."""

    world: World
    name: str

    def put(
        self, texts: Sequence[str], *, delays: Sequence[int] = (), attributes: Sequence[Mapping[str, str]] = ()
    ) -> set[int]:
        fault = self.world.fault("put")
        places = set(range(len(texts)))
        stored = {"fails": set(), "fails in part": places - {0}, "killed before": set()}.get(fault or "", places)
        for place in sorted(stored):
            visible_at = self.world.clock() + (delays[place] if delays else 0)
            message = Message(texts[place], attributes[place] if attributes else {}, visible_at)
            self.world.queues[self.name][f"{self.name}-{next(self.world._numbers)}"] = message
        if fault:
            self.world.doubtful |= {name for text in texts for name in _ids(text)}
        if fault and self.name == "spool":  # then the message comes again with what was delivered of it
            self.world.doubtful |= self.world.in_hand
        if fault and fault.startswith("killed"):
            raise Killed
        return places if fault == "fails though stored" else places - stored

    def put_back(self, seconds_by_receipt: Mapping[str, int]) -> None:
        fault = self.world.fault("put back")
        if fault == "killed before":
            raise Killed
        for receipt, seconds in seconds_by_receipt.items():
            if not fault:
                self.world.queues[self.name][receipt].visible_at = self.world.clock() + seconds


def run(faults: dict[int, int]) -> World:
    """Three batches (small, of several requests, with bad events), each followed by a redelivery; then all is well."""
    world = World(faults, bad={"b2", "c0", "c3"})
    accepted: set[str] = set()
    rejected: set[str] = set()
    batches = [["a0", "a1"], ["b0", "b1", "b2", "b3"], ["c0", "c1", "c2", "c3", "c4"]]
    for names in batches:
        newly_accepted, newly_rejected = world.accept([30_000 if names[0] == "b0" else 10] * len(names), names)
        accepted |= newly_accepted
        rejected |= newly_rejected
        world.check(accepted, rejected)
        world.clock.seconds += 60
        if waiting := world.visible():
            world.redeliver(waiting[:10])
        world.check(accepted, rejected)
    world.drain()
    world.check(accepted, rejected)
    assert world.held("spool") == set()
    return world


def test_without_faults_every_event_finds_its_place():
    """The good ones at Adobe once, the bad ones named and nowhere."""
    world = run({})

    assert world.delivered == Counter(["a0", "a1", "b0", "b1", "b3", "c1", "c2", "c4"])
    assert world.held("dead") == set()


CALLS = 50  # more than any run with one fault makes


@pytest.mark.parametrize("kind", range(max(map(len, FAULTS.values()))))
def test_every_single_fault_at_every_call(kind: int):
    """Exhaustively."""
    for number in range(CALLS):
        run({number: kind})


@pytest.mark.parametrize("seed", range(20))
def test_faults_in_pairs_and_more(seed: int):
    """At random calls."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(25):
        run({chance.randrange(CALLS): chance.randrange(12) for _ in range(chance.choice([2, 2, 3, 8]))})


@pytest.mark.parametrize("fault", range(len(FAULTS["edge"])))
def test_an_outage_of_any_kind_dead_letters_nothing_good(fault: int):
    """For as long as it lasts, only what Adobe refuses as such may become a dead letter."""
    world = World(dict.fromkeys(range(60), fault))
    accepted, _ = world.accept([10, 10], ["a", "b"])
    for _ in range(20):
        world.clock.seconds += 1800
        if waiting := world.visible():
            world.redeliver(waiting)
    dead = world.held("dead")
    world.drain()

    lasting = FAULTS["edge"][fault] in ("500", "0003-400")  # never understood; the request is refused
    assert accepted <= set(world.delivered) | dead
    assert lasting or dead == set()


class Machine(RuleBasedStateMachine):
    """Batches, redeliveries, duplicates, reordering, time and faults in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.names = itertools.count()
        self.accepted: set[str] = set()
        self.rejected: set[str] = set()

    @rule(number=st.integers(0, 5), fault=st.integers(0, 11))
    def something_goes_wrong_soon(self, number: int, fault: int) -> None:
        self.world.faults[len(self.world.calls) + number] = fault

    @rule(sizes=st.lists(st.sampled_from([1, 100, 20_000, 60_000]), min_size=1, max_size=6), bad=st.integers(0, 10))
    def accept(self, sizes: list[int], bad: int) -> None:
        names = [f"e{next(self.names)}" for _ in sizes]
        if bad < len(names):
            self.world.bad.add(names[bad])
        accepted, rejected = self.world.accept(sizes, names)
        self.accepted |= accepted
        self.rejected |= rejected

    @rule(choose=st.randoms(use_true_random=False))
    def redeliver(self, choose: random.Random) -> None:
        waiting = self.world.visible()
        choose.shuffle(waiting)  # SQS keeps no order
        if waiting:
            self.world.redeliver(waiting[:10])

    @rule()
    def deliver_a_message_twice(self) -> None:
        waiting = self.world.visible()
        if waiting:
            message = self.world.queues["spool"][waiting[0]]
            self.world.doubtful |= _ids(message.text)
            self.world.redeliver(waiting[:1])
            self.world.queues["spool"].setdefault(waiting[0], message)

    @rule(seconds=st.sampled_from([1, 11, 200, 4000, -30, 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.seconds += seconds

    @rule()
    def a_function_is_replaced(self) -> None:
        self.world.restart()

    @invariant()
    def nothing_vanishes(self) -> None:
        self.world.check(self.accepted, self.rejected)

    def teardown(self) -> None:
        self.world.drain()
        self.world.check(self.accepted, self.rejected)
        assert self.accepted <= set(self.world.delivered) | self.world.held("dead")


Machine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestNothingVanishes = Machine.TestCase
