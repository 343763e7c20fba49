"""The DynamoDB table that remembers: under which id the last submission of a mapping over HTTPS is followed."""

import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from relay.errors import WorkflowError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEPT_SECONDS = 24 * 3600  # longer than an execution can run


class Submissions:
    """One id for each mapping."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def find(self, mapping_id: str) -> str | None:
        """The request id for the mapping, Adobe's or one of ours. Raises WorkflowError."""
        try:
            item = self._client.get_item(TableName=self._table, Key=_key(mapping_id), ConsistentRead=True).get("Item")
        except (BotoCoreError, ClientError) as error:
            raise WorkflowError("the table of submissions cannot be read") from error
        return item["requestId"]["S"] if item else None

    def claim(self, mapping_id: str, request_id: str, instead_of: str | None) -> bool:
        """Whether the mapping is now under this id; it is not when another one came first. Raises WorkflowError."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item={
                    **_key(mapping_id),
                    "requestId": {"S": request_id},
                    "expiration": {"N": str(int(time.time()) + _KEPT_SECONDS)},
                },
                ConditionExpression="attribute_not_exists(id) OR requestId = :before",
                ExpressionAttributeValues={":before": {"S": instead_of or "-"}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except (BotoCoreError, ClientError) as error:
            raise WorkflowError("the table of submissions cannot be written") from error
        return True


def _key(mapping_id: str) -> dict[str, dict[str, str]]:
    return {"id": {"S": f"ingestion#{mapping_id}"}}
