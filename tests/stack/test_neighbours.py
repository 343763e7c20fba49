"""What goes wrong for one event or one datastream is no other's trouble: the deployed stack with Edge half broken."""

from collections.abc import Iterable, Iterator

import pytest
import requests

from local.process import wait_until
from local.queues import messages, waiting
from local.stack import Stack, client
from tests.stack.conftest import Relay
from tests.support import DATASTREAM, SandboxClient, batch, ids, spooled_events

DELAY = 3  # seconds that Edge asks for in its outage: long enough to post everything before anything is tried again


def on_spool(stack: Stack) -> list[set[str]]:
    """The events of every message, also of those that are hidden or delayed."""
    url = f"{stack.aws_endpoint_url}/_ministack/sqs/messages"
    found = requests.get(url, params={"QueueUrl": stack.spool_url}, timeout=10).json()["messages"]
    return [
        ids(spooled_events(message["Body"]))
        for regions in found.values()
        for queues in regions.values()
        for queue in queues.values()
        for message in queue
    ]


def spool(relay: Relay, sandbox: SandboxClient, events: Iterable[tuple[str, str]]) -> None:
    """Each event, sent in a request of its own to its datastream, is on the spool; the outage is over."""
    sandbox.fault(on="collect", status=503, retry_after=DELAY)
    answers = [relay.post(batch(name), query=f"datastreamId={datastream}") for datastream, name in events]
    assert {answer.status_code for answer in answers} == {202}
    assert sandbox.count() == 0
    sandbox.end_faults()


@pytest.fixture
def purge(sandbox: SandboxClient, stack: Stack) -> Iterator[None]:
    """Afterwards the spool is empty: what Edge crashes on would wait there for minutes."""
    yield
    sandbox.end_faults()
    client("sqs", stack.aws_endpoint_url).purge_queue(QueueUrl=stack.spool_url)


@pytest.mark.usefixtures("new_collect", "purge")
def test_an_event_that_makes_edge_crash_holds_back_none_of_its_neighbours(
    relay: Relay, sandbox: SandboxClient, stack: Stack
):
    """Edge answers a bare 500 to every request with it; the other 99 arrive, and it waits, since nothing is proven."""
    messages(stack.dead_letters_url, stack)  # those of other tests
    good = [str(number) for number in range(99)]
    sandbox.fault(on="collect", status=500, contains='"bad"')

    accepted = relay.post(batch(*good[:70], "bad", *good[70:]))

    assert accepted.status_code == 202
    assert sandbox.arrived(*good)
    wait_until(lambda: on_spool(stack) == [{"bad"}], "the event that is left is not on the spool")
    assert sandbox.arrived(*good)
    assert messages(stack.dead_letters_url, stack) == []


def test_trouble_behind_one_datastream_does_not_hold_back_another(relay: Relay, sandbox: SandboxClient):
    """Events of both are on the spool: the one's are delivered, the other's wait for the end of their trouble."""
    broken = [("broken", f"broken {number}") for number in range(5)]
    fine = [("fine", f"fine {number}") for number in range(15)]
    spool(relay, sandbox, [*broken, *fine])
    sandbox.fault(on="collect", code="0201-503", datastream="broken")
    before = len(sandbox.statuses("collect"))

    meanwhile = sandbox.arrived(*(name for _, name in fine))
    wait_until(lambda: 503 in sandbox.statuses("collect")[before:], "the trouble is not met", 60)
    sandbox.end_faults()

    assert meanwhile
    assert sandbox.arrived(*(name for _, name in [*broken, *fine]))


def test_a_slow_but_healthy_edge_gets_no_event_twice(relay: Relay, sandbox: SandboxClient, stack: Stack):
    """Seven events from the spool, and three seconds for every answer: they do not fit into the time of one round."""
    names = [str(number) for number in range(7)]
    spool(relay, sandbox, [(DATASTREAM, name) for name in names])
    sandbox.fault(on="collect", delay=3)

    wait_until(lambda: waiting(stack.spool_url, stack) == 0, "the spool does not drain", 90)

    assert sandbox.arrived(*names)
