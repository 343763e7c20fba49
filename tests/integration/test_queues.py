"""The spool and the dead letters, as SQS has them."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from relay.adapters.queues import Queue

Messages = list[dict[str, Any]]


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

    assert Queue(url).put(texts) == set()
    assert bodies(receive(url)) == set(texts)


def test_attributes_travel_with_their_message(url: str):
    """The reason of a dead letter is its own."""
    Queue(url).put(["a", "b"], attributes=[{"reason": "x"}, {"reason": "y"}])

    reasons = {message["Body"]: message["MessageAttributes"]["reason"]["StringValue"] for message in receive(url)}
    assert reasons == {"a": "x", "b": "y"}


def test_a_delayed_message_cannot_be_received_at_once(url: str):
    """It waits for its time."""
    Queue(url).put(["later"], delays=[900])

    assert receive(url) == []


def test_a_message_that_was_put_back_comes_again_when_it_is_told_to(url: str):
    """Up to more than a batch of them, in one or two calls."""
    queue = Queue(url)
    queue.put([str(number) for number in range(15)])
    received = receive(url)

    queue.put_back({message["ReceiptHandle"]: 0 for message in received})

    assert bodies(receive(url)) == {str(number) for number in range(15)}


def test_a_queue_that_is_not_there_stores_nothing(url: str):
    """The places of all messages: none of them may be told safe."""
    boto3.client("sqs").delete_queue(QueueUrl=url)

    assert Queue(url).put(["a", "b"]) == {0, 1}
    Queue(url).put_back({"receipt": 5})


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


def queue_of(sqs: PartialSqs) -> Queue:
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

    assert queue_of(sqs).put(texts) == set()
    assert sqs.stored == texts
    assert max(sizes) <= 1_048_576


def test_messages_in_any_alphabet_come_back(url: str):
    """Every character that the relay puts into a message."""
    text = "é 漢 😀 \u007f \u0085 \ue000 \U0010ffff"

    assert Queue(url).put([text]) == set()
    assert bodies(receive(url)) == {text}


def test_entries_that_failed_are_tried_again_alone():
    """The others are stored once."""
    sqs = PartialSqs({"1": 1, "2": 2})

    assert queue_of(sqs).put(["a", "b", "c"]) == set()
    assert sorted(sqs.stored) == ["a", "b", "c"]


def test_entries_that_keep_failing_are_told():
    """By their places."""
    sqs = PartialSqs({"1": 99})

    assert queue_of(sqs).put(["a", "b", "c"]) == {1}
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
    assert queue_of(PartialSqs({}, error)).put(["a", "b"]) == {0, 1}
    assert [record.__dict__["error"] for record in caplog.records] == [code]
