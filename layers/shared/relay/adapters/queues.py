"""The spool and the dead letters: two SQS queues."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from relay.adapters.aws import one_try
from relay.core.deadline import Deadline

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from relay.core.message import Outgoing

logger = Logger(child=True)

# SQS's limits for one batch call, both.
_ENTRIES = 10
_BYTES = 1_000_000  # of 1 MiB: attributes count, too

_TRIES = 3  # of what SQS has refused by itself


class Queue:
    """One SQS queue. The client is made when it is first needed: most requests never need it."""

    seconds = 2.5  # that a call takes at most

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _client(self) -> "SQSClient":
        return boto3.client("sqs", config=one_try(self.seconds))

    def put(self, messages: Sequence["Outgoing"], deadline: Deadline) -> set[int]:
        """Store the messages; the places of those that may not be stored."""
        unsafe = set()
        texts = [message.text for message in messages]
        for places in _batches(texts):
            entries = [
                {
                    "Id": str(place),
                    "MessageBody": texts[place],
                    "DelaySeconds": messages[place].delay,
                    "MessageAttributes": _as_strings(messages[place].attributes),
                }
                for place in places
            ]
            unsafe |= self._send(entries, deadline)
        return unsafe

    def _send(self, entries: list[Any], deadline: Deadline) -> set[int]:
        for _ in range(_TRIES):
            if not deadline.fits(self.seconds):  # the caller must still be able to say so
                break
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                # no traceback: botocore's messages can quote what was sent
                logger.error("SQS did not store messages", extra={"awsError": _code(error)})  # noqa: TRY400
                break
            failed = {failure["Id"] for failure in answer.get("Failed", ())}
            entries = [entry for entry in entries if entry["Id"] in failed]
            if not entries:
                break
        return {int(entry["Id"]) for entry in entries}

    def delete(self, receipts: Sequence[str], deadline: Deadline) -> bool:
        """Delete received messages; False if some may still be there."""
        are_all = True
        for start in range(0, len(receipts), _ENTRIES):
            if not deadline.fits(self.seconds):
                return False
            entries: list[Any] = [
                {"Id": str(number), "ReceiptHandle": receipt}
                for number, receipt in enumerate(receipts[start : start + _ENTRIES])
            ]
            try:
                answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                logger.warning("SQS did not delete messages during the round", extra={"awsError": _code(error)})
                return False
            are_all = are_all and not answer.get("Failed")
        return are_all


def _batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """Places of texts that go into one call."""
    batch: list[int] = []
    size = 0
    for place, text in enumerate(texts):
        grown = size + len(text.encode())
        if batch and (len(batch) == _ENTRIES or grown > _BYTES):
            yield batch
            batch, grown = [], grown - size
        batch.append(place)
        size = grown
    if batch:
        yield batch


def _as_strings(attributes: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}


def _code(error: BotoCoreError | ClientError) -> str:
    """AWS's word for it, and nothing that could quote a message."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
