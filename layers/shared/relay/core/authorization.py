"""Who we are to Adobe: credentials, the token minted for them, and what every request carries."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """An OAuth server-to-server credential of Adobe's Developer Console; `scopes` is comma-separated."""

    client_id: str
    client_secret: str = field(repr=False)
    org_id: str
    scopes: str


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; `expires_at` in epoch seconds, `lifetime` in seconds."""

    value: str = field(repr=False)
    expires_at: float
    lifetime: float


@dataclass(frozen=True, slots=True)
class Authorization:
    """What every request to Adobe carries: a token, and the client id and organisation it was minted for."""

    token: str = field(repr=False)
    client_id: str
    org_id: str
