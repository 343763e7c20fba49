"""The spool and the dead letters, as SQS has them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from relay.adapters.queues import Queue
from relay.core.deadline import Deadline
from relay.core.message import Outgoing
from tests.support import NOW, Clock

Messages = list[dict[str, Any]]


def soon() -> Deadline:
    return Deadline.after(60, time.time)


def outgoing(texts: Iterable[str]) -> list[Outgoing]:
    return [Outgoing(text) for text in texts]


@pytest.fixture
def url(aws: None) -> str:
    return boto3.client("sqs").create_queue(QueueName="spool")["QueueUrl"]


def receive(url: str) -> Messages:
    """All messages that can be seen."""
    sqs = boto3.client("sqs")
    found: Messages = []
    while received := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=600
    ).get("Messages"):
        found += received
    return found


def bodies(messages: Messages) -> set[str]:
    return {message["Body"] for message in messages}


@pytest.mark.parametrize("size", [10, 20_000, 190_000], ids=["small", "medium", "as large as a message gets"])
def test_any_number_of_messages_is_stored(url: str, size: int):
    """In as many calls as SQS's limits ask for."""
    texts = [f"{number}:".ljust(size, "x") for number in range(25)]

    assert Queue(url).put(outgoing(texts), soon()) == set()
    assert bodies(receive(url)) == set(texts)


def test_attributes_travel_with_their_message(url: str):
    """The reason of a dead letter is its own."""
    Queue(url).put([Outgoing("a", attributes={"reason": "x"}), Outgoing("b", attributes={"reason": "y"})], soon())

    reasons = {message["Body"]: message["MessageAttributes"]["reason"]["StringValue"] for message in receive(url)}
    assert reasons == {"a": "x", "b": "y"}


def test_a_delayed_message_cannot_be_received_at_once(url: str):
    """It waits for its time."""
    Queue(url).put([Outgoing("later", 900)], soon())

    assert receive(url) == []


@pytest.mark.parametrize("count", [1, 10, 25])
def test_deleted_messages_do_not_come_again(url: str, count: int):
    """However many there are; the others stay."""
    queue = Queue(url)
    queue.put(outgoing(map(str, range(count + 1))), soon())
    sqs = boto3.client("sqs")
    received: Messages = []
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages"):
        received += found

    assert queue.delete([message["ReceiptHandle"] for message in received[1:]], soon())

    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=received[0]["ReceiptHandle"], VisibilityTimeout=0)
    assert bodies(receive(url)) == {received[0]["Body"]}


def test_a_queue_that_is_not_there_stores_and_deletes_nothing(url: str):
    """The places of all messages: none of them may be told safe."""
    boto3.client("sqs").delete_queue(QueueUrl=url)

    assert Queue(url).put(outgoing(["a", "b"]), soon()) == {0, 1}
    assert not Queue(url).delete(["receipt"], soon())


class PartialSqs:
    """SQS that fails these entries, this often, or every call with an error."""

    def __init__(self, failing: dict[str, int], error: Exception | None = None) -> None:
        self.failing = failing
        self.error = error
        self.stored: list[str] = []

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        if self.error:
            raise self.error
        failed = [entry["Id"] for entry in Entries if self.failing.get(entry["Id"], 0) > 0]
        for place in failed:
            self.failing[place] -= 1
        self.stored += [entry["MessageBody"] for entry in Entries if entry["Id"] not in failed]
        return {"Failed": [{"Id": place} for place in failed]}


def queue_of(sqs: Any) -> Queue:
    queue = Queue("url")
    queue.__dict__["_client"] = sqs  # where cached_property keeps it
    return queue


def test_a_call_is_no_larger_than_sqs_takes():
    """Counted in bytes: a message may be in any alphabet."""
    sqs = PartialSqs({})
    sizes: list[int] = []
    send = sqs.send_message_batch

    def counting(QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        sizes.append(sum(len(entry["MessageBody"].encode()) for entry in Entries))
        return send(QueueUrl, Entries)

    sqs.send_message_batch = counting  # type: ignore[method-assign]
    texts = ["漢" * 40_000] * 15

    assert queue_of(sqs).put(outgoing(texts), soon()) == set()
    assert sqs.stored == texts
    assert max(sizes) <= 1_048_576


def test_messages_in_any_alphabet_come_back(url: str):
    """Every character that the relay puts into a message."""
    text = "é 漢 😀 \u007f \u0085 \ue000 \U0010ffff"

    assert Queue(url).put(outgoing([text]), soon()) == set()
    assert bodies(receive(url)) == {text}


def test_entries_that_failed_are_tried_again_alone():
    """The others are stored once."""
    sqs = PartialSqs({"1": 1, "2": 2})

    assert queue_of(sqs).put(outgoing(["a", "b", "c"]), soon()) == set()
    assert sorted(sqs.stored) == ["a", "b", "c"]


def test_entries_that_keep_failing_are_told():
    """By their places."""
    sqs = PartialSqs({"1": 99})

    assert queue_of(sqs).put(outgoing(["a", "b", "c"]), soon()) == {1}
    assert sorted(sqs.stored) == ["a", "c"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClientError({"Error": {"Code": "ServiceUnavailable"}}, "SendMessageBatch"), "ServiceUnavailable"),
        (ReadTimeoutError(endpoint_url="url"), "ReadTimeoutError"),
    ],
)
def test_a_call_that_fails_leaves_nothing_safe(caplog: pytest.LogCaptureFixture, error: Exception, code: str):
    """The client keeps its events; the log says why, without them."""
    assert queue_of(PartialSqs({}, error)).put(outgoing(["a", "b"]), soon()) == {0, 1}
    assert [record.__dict__["awsError"] for record in caplog.records] == [code]


@dataclass
class SlowSqs:
    """SQS that takes so many seconds for each call, and fails these entries always."""

    takes: float
    failing: set[str] = field(default_factory=set)
    clock: Clock = field(default_factory=Clock)
    calls: list[set[str]] = field(default_factory=list)  # entries of each

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.clock.seconds += self.takes
        self.calls.append({entry["Id"] for entry in Entries})
        return {"Failed": [{"Id": entry["Id"]} for entry in Entries if entry["Id"] in self.failing]}

    def delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.clock.seconds += self.takes
        self.calls.append({entry["ReceiptHandle"] for entry in Entries})
        return {}


@pytest.mark.parametrize(("left", "stored"), [(Queue.seconds, True), (Queue.seconds - 0.01, False)])
def test_a_call_begins_only_if_the_longest_answer_fits_in(left: float, stored: bool):
    """What was not even tried is not safe, and the caller still has the time to say so."""
    sqs = SlowSqs(takes=0)

    unsafe = queue_of(sqs).put(outgoing(["a", "b"]), Deadline(NOW + left, sqs.clock))

    assert (unsafe, sqs.calls) == ((set(), [{"0", "1"}]) if stored else ({0, 1}, []))


def test_of_many_messages_those_are_stored_that_there_is_time_for():
    """The others are told by their places."""
    sqs = SlowSqs(takes=2)

    unsafe = queue_of(sqs).put(outgoing(["x"] * 25), Deadline(NOW + 5, sqs.clock))

    assert sqs.calls == [{str(place) for place in range(10)}, {str(place) for place in range(10, 20)}]
    assert unsafe == set(range(20, 25))


def test_what_sqs_refused_is_tried_again_only_while_there_is_time():
    """The rest is not safe."""
    sqs = SlowSqs(takes=2, failing={"1"})

    unsafe = queue_of(sqs).put(outgoing(["a", "b"]), Deadline(NOW + 5, sqs.clock))

    assert (unsafe, sqs.calls) == ({1}, [{"0", "1"}, {"1"}])


@pytest.mark.parametrize(("left", "deleted"), [(4.5, 20), (4.4, 10), (2.5, 10), (2.4, 0)])
def test_messages_are_deleted_while_there_is_time(left: float, deleted: int):
    """Whoever asked for it hears whether some are left."""
    sqs = SlowSqs(takes=2)
    receipts = [f"receipt-{number:02}" for number in range(20)]

    is_all = queue_of(sqs).delete(receipts, Deadline(NOW + left, sqs.clock))

    assert set().union(*sqs.calls) == set(receipts[:deleted])
    assert is_all == (deleted == 20)


def test_nothing_to_delete_is_no_call():
    """And no failure, even without any time."""
    sqs = SlowSqs(takes=2)

    assert queue_of(sqs).delete([], Deadline(NOW, sqs.clock))
    assert sqs.calls == []


@dataclass
class FailingDeletes:
    """SQS that deletes none of a batch, or does not answer."""

    error: Exception | None = None

    def delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        if self.error:
            raise self.error
        return {"Failed": [{"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid"} for entry in Entries]}


def test_deletions_that_fail_are_told_and_logged(caplog: pytest.LogCaptureFixture):
    """Without what SQS has said: it can quote a message."""
    error = ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "ada@example.com"}}, "DeleteMessageBatch")

    assert not queue_of(FailingDeletes(error)).delete(["a"], soon())
    assert [(record.levelname, record.__dict__["awsError"]) for record in caplog.records] == [
        ("WARNING", "ServiceUnavailable")
    ]
    assert "ada@example.com" not in caplog.text


def test_messages_that_sqs_did_not_delete_are_told():
    """It refuses each by itself, in an answer like any other."""
    assert not queue_of(FailingDeletes()).delete(["a", "b"], soon())


def test_an_sqs_that_hangs_costs_a_call_no_more_than_it_may(url: str):
    """One try, whose timeouts come to that."""
    client: Any = Queue(url)._client

    config = client.meta.config
    assert (config.connect_timeout + config.read_timeout, config.retries["total_max_attempts"]) == (Queue.seconds, 1)
