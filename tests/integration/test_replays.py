"""The record of replays in DynamoDB."""

import pytest

from relay.adapters.replays import ReplayRecord
from relay.errors import ReplaysUnknown


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
