"""What can go wrong, and what each error makes the caller do.

    RelayError
    ├── InvalidRequest        the client's fault: answer its problem; nothing was forwarded
    └── AdobeError
        ├── SetupError        an operator must mend it: credentials, rights, certificates, addresses
        ├── Unreachable       nothing was sent; try later
        └── NoAnswer          bytes were sent and no answer came: try later, and count a possible duplicate

Messages are constant text. They never hold a body, a token, a secret or an identity.
"""

from relay.core.problem import Problem


class RelayError(Exception):
    """The root of all of ours."""


class InvalidRequest(RelayError):
    """The client's request cannot be served as it is; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.type)
        self.problem = problem


class AdobeError(RelayError):
    """Adobe, or what is needed to talk to Adobe, did not do its part."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after  # seconds, when Adobe said so


class SetupError(AdobeError):
    """Only an operator can mend this."""


class Unreachable(AdobeError):
    """Not one byte of the request reached Adobe."""


class NoAnswer(AdobeError):
    """The request was sent, at least in part, and no answer came: Adobe may have taken it."""
