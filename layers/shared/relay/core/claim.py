"""The claim of a mapping: which execution follows it."""

from typing import Any, NamedTuple


class Claim(NamedTuple):
    """Under which request id a mapping is followed, the input of that execution, and since when (epoch seconds)."""

    request_id: str
    content: dict[str, Any]
    claimed_at: float
