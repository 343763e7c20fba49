"""A client's batch as pydantic checks and completes it, and what its request to Edge consists of."""

import uuid
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator

PATH = "/ee/v2/collect"
PARAMETERS = {"datastreamId": "3849362f-f325-4418-8cc8-993342b254f7"}
HEADERS = {
    "Authorization": "Bearer t",
    "x-api-key": "client",
    "x-gw-ims-org-id": "org",
    "Content-Type": "application/json",
}
CONNECT_SECONDS, READ_SECONDS = 2, 9


class _Open(BaseModel):
    """Members that are not named here are passed on."""

    model_config = ConfigDict(extra="allow")


class Identity(_Open):
    id: str
    primary: bool = False


class Xdm(_Open):
    id: str = Field(alias="_id", default_factory=lambda: str(uuid.uuid4()))
    timestamp: str = Field(default_factory=lambda: datetime.now(UTC).isoformat())
    identity_map: dict[str, list[Identity]] = Field(alias="identityMap")

    @field_validator("identity_map")
    @classmethod
    def has_primary(cls, found: dict[str, list[Identity]]) -> dict[str, list[Identity]]:
        if not any(identity.primary for identities in found.values() for identity in identities):
            raise ValueError("no identity is primary")
        return found


class Event(_Open):
    xdm: Xdm


class Batch(_Open):
    events: list[Event] = Field(min_length=1)

    def body(self) -> bytes:
        """What is forwarded."""
        return self.model_dump_json(by_alias=True).encode()
