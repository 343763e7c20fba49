"""The command for dead letters: list, show, replay, discard."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from relay.adapters.queues import Queue
from relay.core.deadline import Deadline
from relay.core.events import Event
from relay.core.message import Outgoing, write_message
from tests.support import batch, event, ids, message_of, spooled_events
from tools.dead_letters import main


@dataclass
class Desk:
    """An operator's desk: two queues and a screen."""

    spool_url: str
    url: str
    screen: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def run(self, *argv: str) -> int:
        outputs = {"SpoolUrl": self.spool_url, "DeadLettersUrl": self.url}
        return main(list(argv), boto3.client("sqs"), outputs, self.screen.append, self.pauses.append)

    def bury(self, text: str, **attributes: str) -> None:
        assert Queue(self.url).put([Outgoing(text, attributes=attributes)], Deadline.after(60, time.time)) == set()


@pytest.fixture
def desk(aws: None) -> Desk:
    sqs = boto3.client("sqs")
    found = Desk(sqs.create_queue(QueueName="spool")["QueueUrl"], sqs.create_queue(QueueName="dead")["QueueUrl"])
    former = json.dumps({"version": 1, **batch("a")})
    found.bury(former, reason="event rejected", code="EXEG-0308-400", datastreamId="d1", detail="bad id")
    found.bury(message("b"), reason="event rejected", code="EXEG-0308-400", datastreamId="d2")
    found.bury(message("c"), reason="request refused", code="EXEG-0003-400", datastreamId="d1")
    return found


def message(name: str) -> str:
    """One of today's version."""
    events = (Event(0, json.dumps(event(name)).encode()),)
    return write_message(message_of(*events))


def receive(url: str) -> list[dict[str, Any]]:
    """What can be received now."""
    found: list[dict[str, Any]] = []
    while (
        received := boto3.client("sqs")
        .receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=60)
        .get("Messages")
    ):
        found += received
    return found


def event_ids(messages: list[dict[str, Any]]) -> set[str]:
    return {name for message in messages for name in ids(spooled_events(message["Body"]))}


def test_list_groups_by_reason_code_and_datastream(desk: Desk):
    """And leaves everything where it is, for everybody to see."""
    assert desk.run("list") == 0

    screen = "\n".join(desk.screen)
    assert "event rejected, EXEG-0308-400, d1" in screen
    assert "request refused, EXEG-0003-400, d1" in screen
    assert "bad id" in screen
    assert event_ids(receive(desk.url)) == {"a", "b", "c"}


def test_list_says_how_old_the_oldest_dead_letter_is(desk: Desk):
    """SQS deletes it after fourteen days, and its alarm does not count what was received often."""
    desk.run("list")

    assert "The oldest is 0.0 days old. SQS deletes a dead letter after 14." in "\n".join(desk.screen)


def test_show_prints_one_message_whole(desk: Desk):
    """With its attributes."""
    message = next(message for message in receive(desk.url) if "EXEG-0003" in str(message["MessageAttributes"]))
    boto3.client("sqs").change_message_visibility(
        QueueUrl=desk.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )

    assert desk.run("show", message["MessageId"]) == 0
    assert desk.screen[1] == message["Body"]
    assert json.loads(desk.screen[0])["reason"] == "request refused"


def test_show_of_something_that_is_not_there_says_so(desk: Desk):
    """And ends with 1."""
    assert desk.run("show", "nothing") == 1


@pytest.mark.parametrize(
    ("filters", "replayed"),
    [
        pytest.param([], {"a", "b", "c"}, id="all"),
        pytest.param(["--reason", "event rejected"], {"a", "b"}, id="reason"),
        pytest.param(["--datastream", "d1"], {"a", "c"}, id="datastream"),
        pytest.param(["--reason", "event rejected", "--datastream", "d1"], {"a"}, id="both"),
        pytest.param(["--reason", "none such"], set(), id="none"),
    ],
)
def test_replay_sends_back_what_the_filters_leave(desk: Desk, filters: list[str], replayed: set[str]):
    """To the spool, unchanged and marked as replays; the others stay."""
    assert desk.run("replay", *filters) == 0

    sent = receive(desk.spool_url)
    assert event_ids(sent) == replayed
    assert all(message["MessageAttributes"]["replayOf"]["StringValue"] for message in sent)
    assert event_ids(receive(desk.url)) == {"a", "b", "c"} - replayed


def test_a_dry_run_changes_nothing(desk: Desk):
    """It only says what would be sent back."""
    desk.run("replay", "--dry-run", "--datastream", "d1")

    assert desk.screen == ["Chosen: 2 of 3 messages, 2 events. Nothing was changed."]
    assert receive(desk.spool_url) == []
    assert event_ids(receive(desk.url)) == {"a", "b", "c"}


def test_a_rate_is_kept_and_progress_shown(desk: Desk):
    """A pause between messages, a line for each."""
    desk.run("replay", "--rate", "4")

    assert desk.pauses == [0.25, 0.25]
    assert desk.screen[-1] == "3 of 3 messages, 3 of 3 events are back on the spool"


@pytest.mark.parametrize("rate", ["0", "-1", "x", "nan", "1e9"])
def test_a_rate_that_makes_no_sense_is_refused(desk: Desk, rate: str):
    """Before anything is touched."""
    with pytest.raises(SystemExit):
        desk.run("replay", "--rate", rate)

    assert event_ids(receive(desk.url)) == {"a", "b", "c"}


def test_a_message_that_is_none_of_ours_is_never_replayed(desk: Desk):
    """The spool could do nothing with it; it is listed."""
    desk.bury("rubbish", reason="unreadable message")

    desk.run("list")
    desk.run("replay")

    assert "unreadable message" in "\n".join(desk.screen)
    assert [message["Body"] for message in receive(desk.url)] == ["rubbish"]


def test_a_message_that_is_none_of_ours_can_be_discarded(desk: Desk):
    """Else its alarm would stay for ever."""
    desk.bury("rubbish", reason="unreadable message")

    desk.run("discard", "--reason", "unreadable message")

    assert event_ids(receive(desk.url)) == {"a", "b", "c"}


class CutOff(Exception):
    pass


def test_a_replay_that_is_cut_off_can_be_done_again(desk: Desk):
    """What was sent and not deleted is sent again, as a replay of the same dead letter, which counts once."""
    sqs = boto3.client("sqs")
    sqs.meta.events.register("before-call.sqs.DeleteMessage", _cut_off)
    outputs = {"SpoolUrl": desk.spool_url, "DeadLettersUrl": desk.url}
    with pytest.raises(CutOff):
        main(["replay", "--reason", "request refused"], sqs, outputs, desk.screen.append, desk.pauses.append)

    desk.run("replay", "--reason", "request refused")

    sent = receive(desk.spool_url)
    assert event_ids(sent) == {"c"}
    assert len({message["MessageAttributes"]["replayOf"]["StringValue"] for message in sent}) == 1
    assert len({message["MessageAttributes"]["replayId"]["StringValue"] for message in sent}) == len(sent) == 2


def _cut_off(**_: Any) -> None:
    raise CutOff


def test_a_command_that_is_cut_off_hides_nothing(desk: Desk):
    """Whoever runs it again finds all that is left."""
    sqs, outputs = boto3.client("sqs"), {"SpoolUrl": desk.spool_url, "DeadLettersUrl": desk.url}

    def cut_off(_: float) -> None:
        raise CutOff

    with pytest.raises(CutOff):
        main(["replay"], sqs, outputs, desk.screen.append, cut_off)

    assert len(receive(desk.spool_url)) == 1
    assert len(receive(desk.url)) == 2


def test_what_sqs_made_a_dead_letter_of_can_be_chosen(desk: Desk):
    """It has no reason, and is listed with a dash."""
    boto3.client("sqs").send_message(QueueUrl=desk.url, MessageBody=json.dumps({"version": 1, **batch("d")}))

    desk.run("replay", "--reason", "-")

    assert event_ids(receive(desk.spool_url)) == {"d"}


def test_discard_deletes_what_the_filters_leave(desk: Desk):
    """And nothing else: what nobody can mend must not hide what comes after it."""
    desk.run("discard", "--reason", "event rejected", "--dry-run")
    before = desk.screen.copy()
    desk.run("discard", "--reason", "event rejected")

    assert before == ["Chosen: 2 of 3 messages, 2 events. Nothing was changed."]
    assert event_ids(receive(desk.url)) == {"c"}
    assert receive(desk.spool_url) == []
