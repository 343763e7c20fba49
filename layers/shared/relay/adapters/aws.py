"""How AWS is called: one quick try. The caller has little time, and AWS answers in milliseconds or not at all."""

from botocore.config import Config

_CONNECT_SECONDS = 1.0


def one_try(seconds: float) -> Config:
    """The configuration of a client whose calls take so many seconds at most."""
    return Config(
        connect_timeout=_CONNECT_SECONDS, read_timeout=seconds - _CONNECT_SECONDS, retries={"total_max_attempts": 1}
    )
