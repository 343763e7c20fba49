"""The one place that builds adapters and puts the pieces together, once per execution environment.

What only one function or only some requests need is imported where it is built.
"""

import os
import random
import time
from functools import cache
from typing import TYPE_CHECKING

import boto3

from relay.accept import Acceptor
from relay.adapters import credentials
from relay.adapters.aws import one_try
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
    from relay.campaign import CampaignClient
    from relay.core.pace import Pace
    from relay.delivery.redeliver import Redeliverer
    from relay.idempotency import Idempotency
    from relay.ingest import Ingestor
    from relay.ingest_api import IngestApi
    from relay.plan import Planner

# Seconds. A call begins only when all of them are left.
EDGE_TIMEOUTS = Timeouts(connect=2, read=9)
IMS_TIMEOUTS = Timeouts(connect=2, read=4)
CAMPAIGN_TIMEOUTS = Timeouts(connect=3, read=65)  # Adobe's gateway gives up after 60
CAMPAIGN_OVER_HTTPS_TIMEOUTS = Timeouts(connect=3, read=12)  # a client waits; what takes longer the workflow sees to


@cache
def collect() -> Collect:
    """For POST /ee/v2/collect."""
    settings = _settings()
    acceptor = Acceptor(_forwarder(settings), Queue(settings.spool_url), now=time.time)
    return Collect(
        acceptor, _idempotency, settings.allowed_datastreams, now=time.time, respond_async=settings.respond_async
    )


@cache
def redeliverer() -> "Redeliverer":
    """For the spool's messages."""
    from relay.adapters.replays import ReplayRecord  # noqa: PLC0415
    from relay.core.pace import Pace  # noqa: PLC0415
    from relay.delivery.redeliver import Redeliverer  # noqa: PLC0415

    settings = _settings()
    share = settings.redeliver_units_per_second
    return Redeliverer(
        forwarder=_forwarder(settings, Pace(share) if share else None),
        spool=Queue(settings.spool_url),
        dead_letters=Queue(settings.dead_letters_url),
        replays=ReplayRecord(settings.table),
        random=random.random,
        now=time.time,
    )


@cache
def planner() -> "Planner":
    """For the state PlanIngest."""
    from relay.plan import Planner  # noqa: PLC0415

    return Planner(_settings().ingest_deadline, _settings().ingest_first_wait, now=time.time)


@cache
def ingestor() -> "Ingestor":
    """For the states TriggerIngest and PollIngest."""
    from relay.ingest import Ingestor  # noqa: PLC0415

    return Ingestor(_campaign(_settings(), CAMPAIGN_TIMEOUTS), _settings().ingest_first_wait, now=time.time)


@cache
def ingest_api() -> "IngestApi":
    """For POST and GET …/ingest."""
    from relay.adapters import claims, executions  # noqa: PLC0415
    from relay.adapters.claims import ClaimTable  # noqa: PLC0415
    from relay.adapters.executions import Executions  # noqa: PLC0415
    from relay.follow import Follower  # noqa: PLC0415
    from relay.ingest_api import IngestApi  # noqa: PLC0415

    settings = _settings()
    follower = Follower(
        Executions(boto3.client("stepfunctions", config=one_try(executions.SECONDS)), settings.state_machine_arn),
        ClaimTable(boto3.client("dynamodb", config=one_try(claims.SECONDS)), settings.table),
        # A number, as Adobe's are, and larger than any of Adobe's: microseconds, the last digits of which are random.
        new_request_id=lambda: str(int(time.time() * 1000) * 1000 + random.randrange(1000)),  # noqa: S311
        now=time.time,
    )
    organization, first_wait = settings.campaign_organization, settings.ingest_first_wait
    campaign = _campaign(settings, CAMPAIGN_OVER_HTTPS_TIMEOUTS)
    return IngestApi(campaign, follower, organization, first_wait, now=time.time)


@cache
def _idempotency() -> "Idempotency":
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer  # noqa: PLC0415

    from relay.idempotency import SECONDS, Idempotency  # noqa: PLC0415

    return Idempotency(DynamoDBPersistenceLayer(_settings().table, boto_config=one_try(SECONDS)))


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _forwarder(settings: Settings, pace: "Pace | None" = None) -> Forwarder:
    return Forwarder(Edge(settings.edge_url, Http(EDGE_TIMEOUTS)), _authorizer(settings), now=time.time, pace=pace)


def _campaign(settings: Settings, timeouts: Timeouts) -> "CampaignClient":
    from relay.adapters.campaign import Campaign  # noqa: PLC0415
    from relay.campaign import CampaignClient  # noqa: PLC0415

    campaign = Campaign(
        settings.campaign_url,
        settings.campaign_organization,
        request_id_in_body=settings.campaign_request_id_in_body,
        http=Http(timeouts),
    )
    return CampaignClient(campaign, _authorizer(settings), now=time.time)


def _authorizer(settings: Settings) -> Authorizer:
    secrets = boto3.client("secretsmanager", config=one_try(credentials.SECONDS))
    store = SecretsManagerCredentials(secrets, settings.secret_id)
    return Authorizer(store, Ims(settings.ims_url, Http(IMS_TIMEOUTS)), now=time.time)
