"""Nothing vanishes: an oracle on event ids, whatever goes wrong at whichever call to the outside.

Collect and redeliver run with everything of their own; Adobe and SQS are played. After each run every accepted event is
delivered or a dead letter, every rejected one is nowhere, and nothing is in two places unless something was in doubt.
"""

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self

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
from relay.core.deadline import Deadline
from relay.core.envelope import Envelope
from relay.core.events import Event
from relay.core.message import Message as SpoolMessage
from relay.core.message import Outgoing, Parcel, write_message
from relay.core.verdict import Answer
from relay.delivery.redeliver import Redeliverer
from relay.errors import NoAnswer, OutOfTime, ReplaysUnknown, SetupError, Unreachable
from relay.forward import Forwarder
from relay.idempotency import Idempotency
from tests.support import (
    CREDENTIALS,
    EDGE_SECONDS,
    NOW,
    Clock,
    context,
    event,
    ids,
    post,
    problem,
    spooled_events,
    sqs_record,
)

# A killed function has nothing to publish; here its decorators still run.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")


class Immediate:
    """An executor that works at once, so that calls have the same numbers in each run."""

    def __init__(self, _: int) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*arguments))
        return done


@pytest.fixture(autouse=True, scope="module")
def _one_after_the_other() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("relay.delivery.redeliver.ThreadPoolExecutor", Immediate)
        yield


class Killed(BaseException):
    """SIGKILL: nothing of ours runs after it."""


# What can go wrong at each kind of call to the outside.
FAULTS = {
    "edge": [
        "503", "429", "500", "403", "0003-400", "401", "unreachable", "lost before", "lost after", "slow",
        "killed before", "killed after", "0201-503", "0001-500", "hangs", "raises before", "raises after",
    ],
    "secret": ["hangs", "refused", "raises"],
    "token": ["unreachable", "refused", "killed before", "killed after", "hangs", "raises"],
    "put": ["fails", "fails in part", "fails though stored", "killed before", "killed after", "hangs", "raises"],
    "delete": ["fails", "fails though done", "killed before", "killed after", "hangs", "raises"],
    "done": ["fails"],  # the event source's own deletion
    "table": ["down", "hangs"],
    "claim": ["unknown", "hangs", "raises"],
}  # fmt: skip
KINDS = max(map(len, FAULTS.values()))
COLLECT_SECONDS, REDELIVER_SECONDS = 28, 30  # the functions' timeouts


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
    bad: set[str] = field(default_factory=set)  # events that Adobe refuses
    crashing: set[str] = field(default_factory=set)  # events on which Edge fails, with a code or without
    troubled: set[str] = field(default_factory=set)  # datastreams with trouble behind them
    lasting: str | None = None  # what goes wrong with every call of Edge
    refused: set[str] = field(default_factory=set)  # events of requests that were refused as requests
    unclear: Counter[str] = field(default_factory=Counter)  # answers to one event that said nothing, by accident
    clock: Clock = field(default_factory=Clock)
    delivered: Counter[str] = field(default_factory=Counter)
    queues: dict[str, dict[str, Message]] = field(default_factory=lambda: {"spool": {}, "dead": {}})
    doubtful: set[str] = field(default_factory=set)
    in_hand: set[str] = field(default_factory=set)  # of the redelivery that runs
    calls: list[str] = field(default_factory=list)
    claims: dict[str, str] = field(default_factory=dict)  # replays, by dead letter
    order: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """New execution environments: what they kept in memory is gone."""
        spool, dead = PlayedQueue(self, "spool"), PlayedQueue(self, "dead")
        acceptor = Acceptor(self._forwarder(), spool, self.clock)
        self.collect = Collect(acceptor, lambda: Idempotency(PlayedTable(self)), set(), self.clock)
        self.redeliverer = Redeliverer(self._forwarder(), spool, dead, self, lambda: 0.5, self.clock, 1)

    def _forwarder(self) -> Forwarder:
        return Forwarder(PlayedEdge(self), Authorizer(self, self, self.clock), self.clock)

    def fault(self, kind: str) -> str | None:
        """What goes wrong with this call."""
        number = len(self.calls)
        self.calls.append(kind)
        if kind == "edge" and self.lasting:
            return self.lasting
        if number not in self.faults:
            return None
        return FAULTS[kind][self.faults[number] % len(FAULTS[kind])]

    def wait(self, fault: str | None, most: float, deadline: Deadline) -> None:
        """What every adapter does with time: nothing begins that may not end in time, and nothing lasts longer."""
        if not deadline.fits(most):
            raise OutOfTime
        self.clock.seconds += most if fault == "hangs" else 0

    # Secrets Manager
    def read(self, deadline: Deadline) -> Credentials:
        fault = self.fault("secret")
        self.wait(fault, 3, deadline)
        match fault:
            case "hangs":
                raise Unreachable("x")
            case "refused":
                raise SetupError("x")
            case "raises":
                raise RuntimeError
        return CREDENTIALS

    # IMS
    def mint(self, credentials: Credentials, now: float, deadline: Deadline) -> Token:
        fault = self.fault("token")
        self.wait(fault, 6, deadline)
        match fault:
            case "unreachable" | "hangs":
                raise Unreachable("x")
            case "refused":
                raise SetupError("x")
            case "killed before" | "killed after":
                raise Killed
            case "raises":
                raise RuntimeError
        return Token("t", now + 86_400, 86_400)

    def take(self, events: list[dict[str, Any]]) -> None:
        self.delivered.update(found["xdm"]["_id"] for found in events)

    # the record of replays
    def claim(self, dead_letter_id: str, replay_id: str, deadline: Deadline) -> bool:
        fault = self.fault("claim")
        if not deadline.fits(3):
            raise ReplaysUnknown
        match fault:
            case "hangs":
                self.clock.seconds += 3
                raise ReplaysUnknown
            case "unknown":
                raise ReplaysUnknown
            case "raises":
                raise RuntimeError
        return self.claims.setdefault(dead_letter_id, replay_id) == replay_id

    # what a client and SQS do
    def accept(
        self, sizes: Sequence[int], names: Sequence[str], datastream: str = "d", hint: str | None = None
    ) -> tuple[set[str], set[str]]:
        """Ids that the client was told are accepted, and those it was told are rejected."""
        contents = [event(name, text="x" * size) for name, size in zip(names, sizes, strict=True)]
        started = self.clock()
        try:
            query = {"datastreamId": datastream, "requestId": f"request-{next(self._numbers)}"}
            response = collect(
                post({"events": contents}, query=query, hint=hint), context(COLLECT_SECONDS), self.collect
            )
            assert self.clock() - started < COLLECT_SECONDS
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
            message = spool[message_id]
            records.append(sqs_record(message.text, message_id, message.receives, **message.attributes))
        self.in_hand = {name for record in records for name in _ids(record["body"])}
        started = self.clock()
        try:
            answer = redeliver({"Records": records}, context(REDELIVER_SECONDS), self.redeliverer)
            assert self.clock() - started < REDELIVER_SECONDS
        except Killed:
            self.doubtful |= self.in_hand
            self.restart()
            return
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for record in records:
            if record["messageId"] not in failed:
                if record["messageId"] in spool and self.fault("done"):
                    self.doubtful |= _ids(record["body"])  # SQS delivers it once more
                else:
                    spool.pop(record["messageId"], None)

    def visible(self) -> list[str]:
        return [name for name, message in self.queues["spool"].items() if message.visible_at <= self.clock()]

    def replay(self, *, is_cut_off: bool) -> None:
        """An operator replays all dead letters; cut off, the command sends them and deletes none."""
        for message_id, letter in list(self.queues["dead"].items()):
            attributes = {"replayOf": message_id, "replayId": f"replay-{next(self._numbers)}"}
            self.queues["spool"][f"spool-{next(self._numbers)}"] = Message(letter.text, attributes, self.clock())
            if is_cut_off:
                self.doubtful |= _ids(letter.text)  # it is in both queues
            else:
                del self.queues["dead"][message_id]

    def spool_other(self, datastream: str) -> None:
        """A message of one good event is on the spool."""
        name = f"other-{next(self._numbers)}"
        found = Event(0, json.dumps(event(name)).encode())
        content = SpoolMessage(Envelope(datastream), (Parcel(name, name, self.clock(), (found,), 1),))
        self.queues["spool"][f"spool-{name}"] = Message(write_message(content), {}, self.clock())

    def drain(self) -> None:
        """Adobe is well again: redeliver until nothing waits. What Edge fails on needs others to be compared with."""
        self.faults, self.troubled = {}, set()
        for _ in range(100):
            if not self.queues["spool"]:
                return
            self.clock.seconds += 1800
            for datastream in "de" * (len(self.queues["spool"]) + 1):  # more good events than bad ones
                self.spool_other(datastream)
            while waiting := self.visible():
                self.order.shuffle(waiting)  # SQS keeps none
                self.redeliver(waiting)
        raise AssertionError("the spool does not drain")

    def held(self, queue: str) -> set[str]:
        return {name for message in self.queues[queue].values() for name in _ids(message.text)}

    def check(self, accepted: set[str], rejected: set[str]) -> None:
        """Nothing vanishes, or is in two places unless in doubt; what was rejected is nowhere; no good event dies."""
        delivered, dead, waiting = set(self.delivered), self.held("dead"), self.held("spool")
        assert accepted <= delivered | dead | waiting
        assert (delivered & dead) | (delivered & waiting) | (dead & waiting) <= self.doubtful
        assert {name for name, count in self.delivered.items() if count > 1} <= self.doubtful
        assert rejected & (delivered | dead | waiting) <= self.doubtful
        unlucky = {name for name, count in self.unclear.items() if count >= 3}
        assert dead <= self.bad | self.crashing | self.refused | unlucky


@dataclass
class PlayedEdge:
    """Edge Network, as the adapter shows it."""

    world: World

    seconds: float = EDGE_SECONDS

    def collect(
        self, envelope: Envelope, request_id: str, body: bytes, authorization: Authorization, deadline: Deadline
    ) -> Answer:
        events = json.loads(body)["events"]
        fault = self.world.fault("edge")
        self.world.wait(fault, self.seconds, deadline)
        self.world.refused |= ids(events) if fault == "0003-400" else set()
        if len(events) == 1 and fault in ("500", "0001-500", "raises before", "raises after"):
            self.world.unclear.update(ids(events))
        match fault:
            case "unreachable":
                raise Unreachable("x")
            case "raises before":
                raise RuntimeError
            case "lost before" | "killed before" | "hangs":
                self.world.doubtful |= ids(events)
                raise Killed if fault.startswith("killed") else NoAnswer("x")
            case "429":
                return Answer(429, {"retry-after": "7"}, b"")
            case "0003-400" | "0201-503" | "0001-500":
                return Answer(int(fault[-3:]), {}, problem(fault))
            case "503" | "500" | "403" | "401":
                return Answer(int(fault), {}, b"")
            case "slow":  # but in time
                self.world.clock.seconds += 8.9
        if envelope.datastream_id in self.world.troubled:
            return Answer(503, {}, problem("0201-503"))
        if found := ids(events) & self.world.crashing:
            return Answer(500, {}, problem("0001-500") if len(min(found)) % 2 else b"")
        guilty = [index for index, found in enumerate(events) if found["xdm"]["_id"] in self.world.bad]
        if guilty:  # sometimes named, sometimes not
            detail = f"event `#{guilty[0]}`" if len(self.world.calls) % 2 else ""
            return Answer(400, {}, problem("0308-400", detail=detail))
        self.world.take(events)
        if fault in ("lost after", "killed after", "raises after"):
            self.world.doubtful |= ids(events)
            raise {"l": NoAnswer("x"), "k": Killed(), "r": RuntimeError()}[fault[0]]
        return Answer(202, {}, b"")


class PlayedTable(BasePersistenceLayer):
    """DynamoDB, as Powertools Idempotency uses it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._records: dict[str, DataRecord] = {}

    def _ask(self) -> None:
        if fault := self._world.fault("table"):
            self._world.clock.seconds += 2 if fault == "hangs" else 0
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


RUBBISH = "rubbish"


def _ids(text: str) -> set[str]:
    return set() if text == RUBBISH else ids(spooled_events(text))


@dataclass
class PlayedQueue:
    """SQS, as the adapter shows it."""

    world: World
    name: str
    seconds: float = 2.5

    def put(self, messages: Sequence[Outgoing], deadline: Deadline) -> set[int]:
        places = set(range(len(messages)))
        if not deadline.fits(self.seconds):
            return places
        fault = self.world.fault("put")
        self.world.clock.seconds += self.seconds if fault == "hangs" else 0
        nothing: set[int] = set()
        stored = {
            "fails": nothing, "hangs": nothing, "raises": nothing, "killed before": nothing,
            "fails in part": places - {0},
        }.get(fault or "", places)  # fmt: skip
        for place in sorted(stored):
            text, delay, attributes = messages[place]
            message = Message(str(text), attributes, self.world.clock() + delay)
            self.world.queues[self.name][f"{self.name}-{next(self.world._numbers)}"] = message
        if fault:
            self.world.doubtful |= {name for message in messages for name in _ids(message.text)}
        if fault and self.name == "spool":  # then the message comes again with what was delivered of it
            self.world.doubtful |= self.world.in_hand
        if fault and fault.startswith("killed"):
            raise Killed
        if fault == "raises":
            raise RuntimeError
        return places if fault == "fails though stored" else places - stored

    def delete(self, receipts: Sequence[str], deadline: Deadline) -> bool:
        if not deadline.fits(self.seconds):
            return False
        fault = self.world.fault("delete")
        self.world.clock.seconds += self.seconds if fault == "hangs" else 0
        if fault in (None, "fails though done", "killed after"):
            for receipt in receipts:
                self.world.queues[self.name].pop(receipt.removeprefix("receipt-"), None)
        if fault in ("killed before", "killed after"):
            raise Killed
        if fault == "raises":
            raise RuntimeError
        return fault is None


def run(faults: dict[int, int]) -> World:
    """Batches (small, of several requests, with bad events), each followed by a redelivery; then all is well."""
    world = World(faults, bad={"b2", "c0", "c3"}, crashing={"d1", "e10"})
    accepted: set[str] = set()
    rejected: set[str] = set()
    batches = [
        ["a0", "a1"], ["b0", "b1", "b2", "b3"], ["c0", "c1", "c2", "c3", "c4"], ["d0", "d1", "d2"], ["e10", "e11"],
    ]  # fmt: skip
    for names in batches:
        sizes = [30_000 if names[0] == "b0" else 10] * len(names)
        datastream, hint = "e" if names[0] == "e10" else "d", "or2" if names[0] == "b0" else None
        newly_accepted, newly_rejected = world.accept(sizes, names, datastream, hint)
        accepted |= newly_accepted
        rejected |= newly_rejected
        world.check(accepted, rejected)
        world.clock.seconds += 60
        if waiting := world.visible():
            world.redeliver(waiting)
        world.check(accepted, rejected)
    world.drain()
    world.check(accepted, rejected)
    assert world.held("spool") == set()
    return world


def test_without_faults_every_event_finds_its_place():
    """The good ones at Adobe once, the bad ones named and nowhere."""
    world = run({})

    good = Counter(["a0", "a1", "b0", "b1", "b3", "c1", "c2", "c4", "d0", "d2", "e11"])
    assert {name: count for name, count in world.delivered.items() if "other" not in name} == good
    assert world.held("dead") == {"d1", "e10"}


CALLS = 50  # of a run without faults, until all is well


@cache
def usual_calls() -> list[str]:
    """The kinds of calls of a run without faults, in order."""
    return run({}).calls


@pytest.mark.parametrize("kind", range(KINDS))
def test_every_single_fault_at_every_call(kind: int):
    """Exhaustively."""
    for number, call in enumerate(usual_calls()[:CALLS]):
        if kind < len(FAULTS[call]):  # until the fault the calls are the usual ones
            run({number: kind})


@pytest.mark.parametrize("seed", range(20))
def test_faults_in_pairs_and_more(seed: int):
    """At random calls."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(12):
        run({chance.randrange(CALLS): chance.randrange(KINDS) for _ in range(chance.choice([2, 2, 3, 8]))})


LASTING = [fault for fault in FAULTS["edge"] if fault not in ("slow", "0003-400", "killed before", "killed after")]


@pytest.mark.parametrize("fault", LASTING)
def test_an_outage_of_any_kind_dead_letters_nothing_good(fault: str):
    """For as long as it lasts, here five days."""
    world = World(lasting=fault)
    accepted, _ = world.accept([10, 10], ["a", "b"])
    while world.clock() < NOW + 5 * 86_400:
        world.clock.seconds += 1800
        if waiting := world.visible():
            world.redeliver(waiting)
    assert world.held("dead") == set()
    world.lasting = None
    world.drain()

    assert accepted == {"a", "b"} <= set(world.delivered)
    assert world.held("dead") == set()


class Machine(RuleBasedStateMachine):
    """Batches, redeliveries, duplicates, reordering, time and faults in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.names = itertools.count()
        self.accepted: set[str] = set()
        self.rejected: set[str] = set()

    @rule(number=st.integers(0, 5), fault=st.integers(0, KINDS - 1))
    def something_goes_wrong_soon(self, number: int, fault: int) -> None:
        self.world.faults[len(self.world.calls) + number] = fault

    @rule(
        sizes=st.lists(st.sampled_from([1, 100, 20_000, 60_000]), min_size=1, max_size=6),
        bad=st.integers(0, 10),
        crashing=st.integers(0, 10),
        datastream=st.sampled_from("de"),
        hint=st.sampled_from([None, "or2"]),
    )
    def accept(self, sizes: list[int], bad: int, crashing: int, datastream: str, hint: str | None) -> None:
        names = [f"e{next(self.names)}" for _ in sizes]
        self.world.bad.update(names[bad : bad + 1])
        self.world.crashing.update(names[crashing : crashing + 1])
        accepted, rejected = self.world.accept(sizes, names, datastream, hint)
        self.accepted |= accepted
        self.rejected |= rejected

    @rule(choose=st.randoms(use_true_random=False))
    def redeliver(self, choose: random.Random) -> None:
        waiting = self.world.visible()
        choose.shuffle(waiting)  # SQS keeps no order
        if waiting:
            self.world.redeliver(waiting)

    @rule()
    def deliver_a_message_twice(self) -> None:
        waiting = self.world.visible()
        if waiting:
            message = self.world.queues["spool"][waiting[0]]
            self.world.doubtful |= _ids(message.text)
            self.world.redeliver(waiting[:1])
            self.world.queues["spool"].setdefault(waiting[0], message)

    @rule()
    def somebody_puts_rubbish_on_the_spool(self) -> None:
        self.world.queues["spool"][f"spool-{next(self.world._numbers)}"] = Message(RUBBISH, {}, self.world.clock())

    @rule(seconds=st.sampled_from([1, 11, 200, 4000, -30, 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.seconds += seconds

    @rule(datastreams=st.sets(st.sampled_from("de")))
    def there_is_trouble_behind(self, datastreams: set[str]) -> None:
        self.world.troubled = datastreams

    @rule(is_cut_off=st.booleans())
    def an_operator_replays_the_dead_letters(self, is_cut_off: bool) -> None:
        self.world.replay(is_cut_off=is_cut_off)

    @rule()
    def a_function_is_replaced(self) -> None:
        self.world.restart()

    @invariant()
    def nothing_vanishes(self) -> None:
        self.world.check(self.accepted, self.rejected)

    def teardown(self) -> None:
        rubbish = [message.text for queue in self.world.queues.values() for message in queue.values()].count(RUBBISH)
        self.world.drain()
        self.world.check(self.accepted, self.rejected)
        assert [message.text for message in self.world.queues["dead"].values()].count(RUBBISH) >= rubbish
        assert self.accepted <= set(self.world.delivered) | self.world.held("dead")


Machine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestNothingVanishes = Machine.TestCase
