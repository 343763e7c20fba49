"""The DynamoDB table that remembers: under which id the last submission of a mapping over HTTPS is followed."""

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from relay.core.claim import Claim
from relay.core.deadline import Deadline
from relay.errors import WorkflowError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SECONDS = 3.0  # that a call takes at most
_KEPT_SECONDS = 24 * 3600  # longer than an execution can run


class ClaimTable:
    """One claim for each mapping. An older one than a day may still be there, and does no harm."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def find(self, mapping_id: str, deadline: Deadline) -> Claim | None:
        """The claim of the mapping. Raises WorkflowError."""
        _check(deadline)
        try:
            item = self._client.get_item(TableName=self._table, Key=_key(mapping_id), ConsistentRead=True).get("Item")
        except (BotoCoreError, ClientError) as error:
            raise WorkflowError("the table of claims cannot be read") from error
        if not item:
            return None
        return Claim(item["requestId"]["S"], json.loads(item["content"]["S"]), float(item["claimedAt"]["N"]))

    def claim(self, mapping_id: str, claim: Claim, instead_of: str | None, deadline: Deadline) -> bool:
        """Whether the mapping is now under this claim; it is not when another came first. Raises WorkflowError."""
        _check(deadline)
        try:
            self._client.put_item(
                TableName=self._table,
                Item={
                    **_key(mapping_id),
                    "requestId": {"S": claim.request_id},
                    "content": {"S": json.dumps(claim.content)},
                    "claimedAt": {"N": str(claim.claimed_at)},
                    "expiration": {"N": str(int(claim.claimed_at) + _KEPT_SECONDS)},
                },
                ConditionExpression="attribute_not_exists(id) OR requestId = :before",
                ExpressionAttributeValues={":before": {"S": instead_of or "-"}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except (BotoCoreError, ClientError) as error:
            raise WorkflowError("the table of claims cannot be written") from error
        return True


def _check(deadline: Deadline) -> None:
    if not deadline.fits(SECONDS):
        raise WorkflowError("no time left for the table of claims")


def _key(mapping_id: str) -> dict[str, dict[str, str]]:
    return {"id": {"S": f"ingestion#{mapping_id}"}}
