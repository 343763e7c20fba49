"""The DynamoDB table that remembers: which dead letters were replayed."""

import time
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from relay.adapters.aws import one_try
from relay.core.deadline import Deadline
from relay.errors import ReplaysUnknown

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SECONDS = 3.0  # that a call takes at most
_KEPT_SECONDS = 30 * 24 * 3600  # twice as long as a message can live


class ReplayRecord:
    """Which replay of a dead letter counts: the first received. Replays are rare, so its client is made late."""

    def __init__(self, table: str) -> None:
        self._table = table

    @cached_property
    def _client(self) -> "DynamoDBClient":
        return boto3.client("dynamodb", config=one_try(SECONDS))

    def claim(self, dead_letter_id: str, replay_id: str, deadline: Deadline) -> bool:
        """Whether this replay of the dead letter is the first. Raises ReplaysUnknown if it cannot be told."""
        if not deadline.fits(SECONDS):
            raise ReplaysUnknown
        try:
            self._client.put_item(
                TableName=self._table,
                Item={
                    "id": {"S": f"replay#{dead_letter_id}"},
                    "messageId": {"S": replay_id},
                    "expiration": {"N": str(int(time.time()) + _KEPT_SECONDS)},
                },
                ConditionExpression="attribute_not_exists(id) OR messageId = :message",
                ExpressionAttributeValues={":message": {"S": replay_id}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise ReplaysUnknown from error
        except BotoCoreError as error:
            raise ReplaysUnknown from error
        return True
