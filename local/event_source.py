"""Lambda's poller of the spool, as AWS documents it. The emulator's own hands over ten messages at most, and at once.

A batch is what is received within the window that begins with its first message: `BatchSize` messages at most, and no
more than Lambda takes. Several functions run at once, `MaximumConcurrency` at most. Their messages are deleted, but for
those that they report, and those of a function that died: these come again when their visibility timeout is over.
"""

import json
import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_RECEIVED = 10  # by one call, at most
_POLLERS = 4  # calls at once, while there is much; Lambda has five or more
_PAYLOAD_BYTES = 5_500_000  # of the 6 MB that Lambda takes; the rest is for what a record has beside its body
_FUNCTION_SECONDS = 60  # more than any function of a queue may take
_PAUSE = 0.2  # seconds, when there is nothing


@contextmanager
def event_sources(aws: Any) -> Iterator[None]:
    """Poll the queue of every event source mapping, instead of the emulator, until the end of the block.

    `aws(service, config)` makes clients.
    """
    functions = aws("lambda", Config(read_timeout=_FUNCTION_SECONDS, retries={"total_max_attempts": 1}))
    stopped = threading.Event()
    threads = []
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        source = _EventSource(functions, aws("sqs", Config(retries={"total_max_attempts": 1})), mapping, stopped)
        threads.append(threading.Thread(target=source.poll, daemon=True))
        threads[-1].start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join(_FUNCTION_SECONDS)


class _EventSource:
    def __init__(self, functions: Any, sqs: Any, mapping: dict[str, Any], stopped: threading.Event) -> None:
        self._functions = functions
        self._sqs = sqs
        self._function = mapping["FunctionArn"]
        self._queue_arn = mapping["EventSourceArn"]
        self._url = sqs.get_queue_url(QueueName=self._queue_arn.rpartition(":")[2])["QueueUrl"]
        self._most = int(mapping["BatchSize"])
        self._window = float(mapping["MaximumBatchingWindowInSeconds"])
        self._concurrency = int(mapping["ScalingConfig"]["MaximumConcurrency"])
        self._stopped = stopped
        self._pollers = ThreadPoolExecutor(_POLLERS)

    def poll(self) -> None:
        """Call the function for one batch after the other; several run at once."""
        free = threading.Semaphore(self._concurrency)
        with ThreadPoolExecutor(self._concurrency) as pool, self._pollers:
            while not self._stopped.is_set():
                free.acquire()
                if batch := self._collect():
                    pool.submit(self._hand_over, batch).add_done_callback(lambda _: free.release())
                else:
                    free.release()

    def _collect(self) -> list[dict[str, Any]]:
        batch: list[dict[str, Any]] = []
        size, ends_at, calls = 0, 0.0, 1
        while len(batch) < self._most and size < _PAYLOAD_BYTES and not self._stopped.is_set():
            received = [message for found in self._pollers.map(self._receive, range(calls)) for message in found]
            if received and not batch:
                ends_at = time.monotonic() + self._window
            batch += received
            size += sum(len(message["Body"].encode()) for message in received)
            if len(received) == calls * _RECEIVED:
                fitting = (_PAYLOAD_BYTES - size) * len(batch) / size  # if they are as large as those so far
                calls = max(1, min(_POLLERS, math.ceil(min(self._most - len(batch), fitting) / _RECEIVED)))
                continue
            if time.monotonic() >= ends_at:
                break
            calls = 1
            self._stopped.wait(_PAUSE)
        return batch

    def _receive(self, _: int) -> list[dict[str, Any]]:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_RECEIVED,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (BotoCoreError, ClientError):  # the emulator ends, or has no time
            self._stopped.wait(_PAUSE)
            return []
        return list(answer.get("Messages", []))

    def _hand_over(self, batch: list[dict[str, Any]]) -> None:
        payload = json.dumps({"Records": [self._record(message) for message in batch]})
        with suppress(BotoCoreError, ClientError, ValueError):  # as if the function had died
            answer = self._functions.invoke(FunctionName=self._function, Payload=payload)
            result = json.loads(answer["Payload"].read())
            if "FunctionError" not in answer:
                kept = {failure["itemIdentifier"] for failure in result["batchItemFailures"]}
                self._delete([message for message in batch if message["MessageId"] not in kept])

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        attributes = message.get("MessageAttributes", {})
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {
                name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
                for name, value in attributes.items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._queue_arn,
            "awsRegion": self._queue_arn.split(":")[3],
        }

    def _delete(self, messages: list[dict[str, Any]]) -> None:
        for start in range(0, len(messages), _RECEIVED):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages[start : start + _RECEIVED])
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
