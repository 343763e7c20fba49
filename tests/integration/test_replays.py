"""The record of replays in DynamoDB."""

import time
from typing import Any

import boto3
import pytest

from relay.adapters.replays import SECONDS, ReplayRecord
from relay.core.deadline import Deadline
from relay.errors import ReplaysUnknown
from tests.support import NOW, Clock


def soon() -> Deadline:
    return Deadline.after(10, time.time)


def test_the_first_replay_is_the_one_that_counts_and_stays_it(table: str):
    """However often SQS delivers it; another replay of the same dead letter does not."""
    record = ReplayRecord(table)

    claims = [record.claim("letter", replay, soon()) for replay in ("r1", "r2", "r1", "r2")]

    assert claims == [True, False, True, False]
    assert record.claim("another letter", "r2", soon())


def test_a_record_that_cannot_be_read_tells_nothing(aws: None):
    """Neither yes nor no."""
    with pytest.raises(ReplaysUnknown):
        ReplayRecord("no-such-table").claim("letter", "r1", soon())


def test_without_the_time_for_an_answer_nothing_is_claimed(table: str):
    """Neither yes nor no; and the next replay that comes is the first."""
    record = ReplayRecord(table)

    with pytest.raises(ReplaysUnknown):
        record.claim("letter", "r1", Deadline(NOW + SECONDS - 0.01, Clock()))

    assert boto3.client("dynamodb").scan(TableName=table)["Items"] == []
    assert record.claim("letter", "r2", Deadline(NOW + SECONDS, Clock()))


def test_a_dynamodb_that_hangs_costs_a_claim_no_more_than_it_may(table: str):
    """One try, whose timeouts come to that."""
    client: Any = ReplayRecord(table)._client

    config = client.meta.config
    assert (config.connect_timeout + config.read_timeout, config.retries["total_max_attempts"]) == (SECONDS, 1)
