"""The one place that builds adapters and puts the pieces together, once per execution environment.

What only one function or only some requests need is imported where it is built.
"""

import os
import random
import time
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from relay.accept import Acceptor
from relay.adapters.credentials import SecretsManagerCredentials
from relay.adapters.edge import Edge
from relay.adapters.http import Http, Timeouts
from relay.adapters.ims import Ims
from relay.adapters.queues import Queue
from relay.authorize import Authorizer
from relay.collect import Collect
from relay.forward import Forwarder
from relay.settings import Settings

if TYPE_CHECKING:
    from relay.idempotency import Idempotency
    from relay.redeliver import Redeliverer

# Seconds; with two tries (a token may have expired) they stay below the 29 that API Gateway waits.
EDGE_TIMEOUTS = Timeouts(connect=2, read=9)
IMS_TIMEOUTS = Timeouts(connect=2, read=4)


@cache
def collect() -> Collect:
    """For POST /ee/v2/collect."""
    settings = _settings()
    acceptor = Acceptor(_forwarder(settings), Queue(settings.spool_url), now=time.time)
    return Collect(acceptor, _idempotency, settings.allowed_datastreams, now=time.time)


@cache
def redeliverer() -> "Redeliverer":
    """For the spool's messages."""
    from relay.adapters.replays import ReplayRecord  # noqa: PLC0415
    from relay.redeliver import Redeliverer  # noqa: PLC0415

    settings = _settings()
    return Redeliverer(
        forwarder=_forwarder(settings),
        spool=Queue(settings.spool_url),
        dead_letters=Queue(settings.dead_letters_url),
        replays=ReplayRecord(settings.table),
        random=random.random,
        now=time.time,
    )


@cache
def _idempotency() -> "Idempotency":
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer  # noqa: PLC0415

    from relay.idempotency import Idempotency  # noqa: PLC0415

    # A table that is down must not cost a client its answer: one quick try.
    config = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
    return Idempotency(DynamoDBPersistenceLayer(_settings().table, boto_config=config))


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _forwarder(settings: Settings) -> Forwarder:
    # One quick try: a client is waiting, and without the secret its events are kept all the same.
    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
    credentials = SecretsManagerCredentials(boto3.client("secretsmanager", config=config), settings.secret_id)
    authorizer = Authorizer(credentials, Ims(settings.ims_url, Http(IMS_TIMEOUTS)), now=time.time)
    return Forwarder(Edge(settings.edge_url, Http(EDGE_TIMEOUTS)), authorizer, now=time.time)
