"""What the template tells the functions, read from the environment once."""

from collections.abc import Mapping
from typing import NamedTuple, Self


class Settings(NamedTuple):
    """Base addresses without a trailing slash, names of AWS resources, and what the operator has chosen."""

    edge_url: str
    ims_url: str
    secret_id: str
    spool_url: str
    dead_letters_url: str
    redeliver_units_per_second: float  # of Adobe's quota, of one function; 0: no limit
    table: str
    allowed_datastreams: frozenset[str]
    respond_async: bool
    campaign_url: str
    campaign_organization: str  # empty: no ingestion
    campaign_request_id_in_body: bool
    ingest_first_wait: float  # seconds
    ingest_deadline: int  # seconds
    state_machine_arn: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        return cls(
            edge_url=environment["EDGE_URL"],
            ims_url=environment["IMS_URL"],
            secret_id=environment["ADOBE_SECRET_ID"],
            spool_url=environment["SPOOL_URL"],
            dead_letters_url=environment.get("DEAD_LETTERS_URL", ""),  # for redeliver only
            redeliver_units_per_second=_share(environment),
            table=environment["TABLE"],
            allowed_datastreams=frozenset(filter(None, map(str.strip, environment["ALLOWED_DATASTREAMS"].split(",")))),
            respond_async=environment.get("RESPOND_ASYNC") == "true",  # for collect only
            campaign_url=environment["CAMPAIGN_URL"],
            campaign_organization=environment["CAMPAIGN_ORGANIZATION"],
            campaign_request_id_in_body=environment["CAMPAIGN_REQUEST_ID_IN"] == "body",
            ingest_first_wait=float(environment["INGEST_FIRST_WAIT"]),
            ingest_deadline=int(float(environment["INGEST_DEADLINE"])),
            state_machine_arn=environment.get("STATE_MACHINE_ARN", ""),  # for the ingest API only
        )


def _share(environment: Mapping[str, str]) -> float:
    """What one of the functions that redeliver at once may use of the quota that they share; for redeliver only."""
    units = float(environment.get("REDELIVER_UNITS_PER_SECOND", "0"))
    return units / float(environment.get("REDELIVER_CONCURRENCY", "1"))
