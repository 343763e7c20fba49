"""Nothing is lost: the deployed stack under load, in an outage, and with its processes killed."""

import json
import math
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.process import wait_until
from local.queues import messages, waiting
from local.stack import Stack, client
from relay.core.events import Event
from relay.core.message import write_message
from tests.stack.conftest import Relay, dead_letters, kill
from tests.support import SandboxClient, batch, event, ids, message_of

EVENTS, BATCH = 20_000, 100


def test_twenty_thousand_events_and_an_outage(
    relay: Relay, sandbox: SandboxClient, stack: Stack, capsys: pytest.CaptureFixture[str]
):
    """Every client hears 202, and every event arrives exactly once."""
    names = [str(number) for number in range(EVENTS)]
    batches = [names[start : start + BATCH] for start in range(0, EVENTS, BATCH)]
    third = len(batches) // 3

    def send(some: list[list[str]]) -> set[int]:
        with ThreadPoolExecutor(8) as pool:
            return set(pool.map(lambda part: relay.post(batch(*part)).status_code, some))

    started = time.monotonic()
    before = send(batches[:third])
    sandbox.fault(on="collect", status=503)
    during = send(batches[third : 2 * third])
    left = EVENTS // 3 - (sandbox.count() - third * BATCH)
    sandbox.end_faults()
    recovered = time.monotonic()
    after = send(batches[2 * third :])
    sent = time.monotonic()
    wait_until(lambda: sandbox.count() >= EVENTS, "events are missing", 120)
    drained = time.monotonic()

    assert before == during == after == {202}
    assert sorted(event["xdm"]["_id"] for event in sandbox.events()) == sorted(names)
    with capsys.disabled():
        rate = left / (drained - recovered)
        sys.stdout.write(
            f"\n{EVENTS} events in {drained - started:.0f} s; {left} of them waited for the end of the outage and "
            f"were delivered at {rate:.0f} a second, beside {sent - recovered:.0f} s of new traffic\n"
        )


SINGLE = 20_000
OVER_HTTPS = 500  # of them; more would take minutes here
PORTION = 1_000
MOST_WAITING = 2_000  # messages, before the next portion comes: the emulator looks through all of them in every call


def test_twenty_thousand_single_events_and_an_outage(relay: Relay, sandbox: SandboxClient, stack: Stack):
    """Each in a message of its own, some over HTTPS, the others as the collect function writes them.

    They come while redelivery goes on. Adobe gets each once, in hardly more requests than their bytes need.
    """
    names = [str(number) for number in range(SINGLE)]
    sqs = client("sqs", stack.aws_endpoint_url)
    sandbox.fault(on="collect", status=503)

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(lambda name: relay.post(batch(name)).status_code, names[:OVER_HTTPS]))
        for start in range(OVER_HTTPS, SINGLE, PORTION):
            wait_until(lambda: waiting(stack.spool_url, stack) < MOST_WAITING, "the messages are not packed")
            portion = names[start : start + PORTION]
            list(pool.map(lambda some: spool(sqs, stack.spool_url, some), in_tens(portion)))
    taken_in_the_outage = sandbox.count()
    sandbox.end_faults()
    wait_until(lambda: sandbox.count() >= SINGLE, "events are missing", 150)

    assert answers == {202}
    assert taken_in_the_outage == 0
    assert sorted(event["xdm"]["_id"] for event in sandbox.events()) == sorted(names)
    sizes = [request["bytes"] for request in sandbox.collected()]
    assert len(sizes) <= 1.5 * math.ceil(sum(sizes) / 64_000)


def in_tens(names: list[str]) -> list[list[str]]:
    return [names[start : start + 10] for start in range(0, len(names), 10)]


def spool(sqs: Any, url: str, names: list[str]) -> None:
    """A message for each event, as the collect function writes it."""
    entries = [
        {"Id": str(place), "MessageBody": write_message(message_of(Event(0, json.dumps(event(name)).encode())))}
        for place, name in enumerate(names)
    ]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)


@pytest.mark.usefixtures("new_collect")
def test_a_collect_function_that_is_killed_while_it_sends(relay: Relay, sandbox: SandboxClient, stack: Stack):
    """The client hears no 2xx, so it sends again; its next request finds a new function."""
    sandbox.fault(on="collect", delay=3, times=1)
    answers: list[int] = []
    client = threading.Thread(target=lambda: answers.append(relay.post(batch("a", "b"), dying=True).status_code))

    client.start()
    wait_until(lambda: sandbox.faults()[0]["times"] == 0, "Edge is not asked")
    kill(stack, "Collect")
    client.join()
    again = relay.post(batch("a", "b"), dying=True)

    assert answers[0] >= 500
    assert again.status_code == 202
    wait_until(lambda: sandbox.count() == 4, "an event is missing")  # taken twice: the first answer never came
    assert ids(sandbox.events()) == {"a", "b"}


@pytest.fixture
def short_visibility(stack: Stack) -> Iterator[None]:
    """The spool hides a received message for 20 seconds: longer than a function runs here before it is killed."""
    sqs = client("sqs", stack.aws_endpoint_url)
    usual = sqs.get_queue_attributes(QueueUrl=stack.spool_url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=stack.spool_url, Attributes={"VisibilityTimeout": "20"})
    yield
    sqs.set_queue_attributes(QueueUrl=stack.spool_url, Attributes=usual)


@pytest.mark.usefixtures("new_collect", "short_visibility")
def test_a_redeliver_function_that_is_killed_while_it_sends(relay: Relay, sandbox: SandboxClient, stack: Stack):
    """Its message comes again when the spool's visibility timeout is over."""
    sandbox.fault(on="collect", status=503, times=1)  # for collect, and the other one for redeliver
    sandbox.fault(on="collect", delay=3, drop="before", times=1)

    accepted = relay.post(batch("a"))
    wait_until(lambda: sandbox.faults()[1]["times"] == 0, "Edge is not asked")
    kill(stack, "Redeliver")

    assert accepted.status_code == 202
    wait_until(lambda: sandbox.count() == 1, "the event is missing", 240)
    assert ids(sandbox.events()) == {"a"}


@pytest.mark.usefixtures("new_collect")
def test_a_dead_letter_is_replayed(relay: Relay, sandbox: SandboxClient, stack: Stack):
    """Once its cause is mended, with the command of the README: listed, shown, sent back, delivered once."""
    messages(stack.dead_letters_url, stack)  # those of other tests
    sandbox.fault(on="collect", status=503, times=1)
    sandbox.fault(on="collect", code="0003-400")
    relay.post(batch("a", "b"))
    wait_until(lambda: "request refused" in dead_letters(stack, "list"), "there is no dead letter", 60)
    sandbox.end_faults()

    message_id = dead_letters(stack, "list").splitlines()[-1].split()[0]
    shown = dead_letters(stack, "show", message_id)
    dry = dead_letters(stack, "replay", "--dry-run")
    replayed = dead_letters(stack, "replay", "--reason", "request refused")

    assert "EXEG-0003-400" in shown
    assert dry == "Chosen: 1 of 1 messages, 2 events. Nothing was changed.\n"
    assert "2 of 2 events are back on the spool" in replayed
    assert sandbox.arrived("a", "b")
    assert dead_letters(stack, "list") == "There are no dead letters.\n"
    assert "usage" in dead_letters(stack, "--help")
