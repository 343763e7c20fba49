"""The record of replays in DynamoDB."""

import boto3
import pytest

from relay.adapters.replays import ReplayRecord
from relay.errors import ReplaysUnknown


@pytest.fixture
def table(aws: None) -> str:
    boto3.client("dynamodb").create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return "table"


def test_the_first_message_is_the_replay_and_stays_it(table: str):
    """However often SQS delivers it; another message that replays the same dead letter is not."""
    record = ReplayRecord(table)

    claims = [record.claim("letter", message) for message in ("m1", "m2", "m1", "m2")]

    assert claims == [True, False, True, False]
    assert record.claim("another letter", "m2")


def test_a_record_that_cannot_be_read_tells_nothing(aws: None):
    """Neither yes nor no."""
    with pytest.raises(ReplaysUnknown):
        ReplayRecord("no-such-table").claim("letter", "m1")
