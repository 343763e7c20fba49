"""What the template tells the functions, read from the environment once."""

from collections.abc import Mapping
from typing import NamedTuple, Self


class Settings(NamedTuple):
    """Base addresses without a trailing slash, names of AWS resources, and the datastreams that may be used."""

    edge_url: str
    ims_url: str
    secret_id: str
    spool_url: str
    dead_letters_url: str
    table: str
    allowed_datastreams: frozenset[str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        return cls(
            edge_url=environment["EDGE_URL"],
            ims_url=environment["IMS_URL"],
            secret_id=environment["ADOBE_SECRET_ID"],
            spool_url=environment["SPOOL_URL"],
            dead_letters_url=environment.get("DEAD_LETTERS_URL", ""),  # for redeliver only
            table=environment["TABLE"],
            allowed_datastreams=frozenset(filter(None, map(str.strip, environment["ALLOWED_DATASTREAMS"].split(",")))),
        )
