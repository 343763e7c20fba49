"""The one place that builds adapters and puts the pieces together, once per execution environment."""

import os
import time
from dataclasses import dataclass
from functools import cache

from relay.adapters.credentials import SecretsManagerCredentials
from relay.adapters.edge import Edge
from relay.adapters.http import Http, Timeouts
from relay.adapters.ims import Ims
from relay.authorize import Authorizer
from relay.forward import Forwarder
from relay.settings import Settings

# Seconds; with two tries (a token may have expired) they stay below the 29 that API Gateway waits.
EDGE_TIMEOUTS = Timeouts(connect=2, read=9)
IMS_TIMEOUTS = Timeouts(connect=2, read=4)


@dataclass(frozen=True, slots=True)
class Collect:
    """What the collect function works with."""

    forwarder: Forwarder
    allowed_datastreams: frozenset[str]


@cache
def collect() -> Collect:
    settings = Settings.from_environment(os.environ)
    return Collect(_forwarder(settings), settings.allowed_datastreams)


def _forwarder(settings: Settings) -> Forwarder:
    authorizer = Authorizer(
        SecretsManagerCredentials(settings.secret_id), Ims(settings.ims_url, Http(IMS_TIMEOUTS)), now=time.time
    )
    return Forwarder(Edge(settings.edge_url, Http(EDGE_TIMEOUTS)), authorizer, now=time.time)
