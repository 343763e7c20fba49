"""What the template tells the functions, read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Settings:
    """Base addresses without a trailing slash, the secret's ARN, and the datastreams that may be used (none: all)."""

    edge_url: str
    ims_url: str
    secret_id: str
    allowed_datastreams: frozenset[str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        return cls(
            edge_url=environment["EDGE_URL"],
            ims_url=environment["IMS_URL"],
            secret_id=environment["ADOBE_SECRET_ID"],
            allowed_datastreams=frozenset(filter(None, map(str.strip, environment["ALLOWED_DATASTREAMS"].split(",")))),
        )
