"""The DynamoDB table that remembers: which dead letters were replayed."""

import time
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from relay.errors import ReplaysUnknown

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEPT_SECONDS = 30 * 24 * 3600  # twice as long as a message can live


class ReplayRecord:
    """Which message replays a dead letter: the first that says so. Replays are rare, so its client is made late."""

    def __init__(self, table: str) -> None:
        self._table = table

    @cached_property
    def _client(self) -> "DynamoDBClient":
        config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
        return boto3.client("dynamodb", config=config)

    def claim(self, dead_letter_id: str, message_id: str) -> bool:
        """Whether this message is the one that replays the dead letter. Raises ReplaysUnknown if it cannot be told."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item={
                    "id": {"S": f"replay#{dead_letter_id}"},
                    "messageId": {"S": message_id},
                    "expiration": {"N": str(int(time.time()) + _KEPT_SECONDS)},
                },
                ConditionExpression="attribute_not_exists(id) OR messageId = :message",
                ExpressionAttributeValues={":message": {"S": message_id}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise ReplaysUnknown from error
        except BotoCoreError as error:
            raise ReplaysUnknown from error
        return True
