"""What can go wrong, and what each error makes the caller do.

    RelayError
    ├── InvalidRequest        the client's fault: answer its problem; nothing was forwarded
    ├── Unfinished            an answer that must not be remembered: give it
    ├── AdobeError
    │   ├── SetupError        an operator must mend it: credentials, rights, certificates, addresses
    │   ├── Unreachable       nothing was sent; try later
    │   │   └── OutOfTime     nothing was even tried, since the longest answer would not have fitted in
    │   └── NoAnswer          bytes were sent and no answer came: try later, and count a possible duplicate
    ├── ReplaysUnknown        whether a dead letter was replayed before cannot be told; the message comes again
    └── WorkflowError         Step Functions or its table fails: answer 503

Messages are constant text. They never hold a body, a token, a secret or an identity.
"""

import traceback
from typing import Any

from aws_lambda_powertools import Logger

from relay.core.problem import Problem

logger = Logger(child=True)


def log_failure(message: str, error: Exception) -> None:
    """Log an error that nobody foresaw by its type and place: its own text, and a traceback, may quote events."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
    logger.error(message, extra={"error": type(error).__name__, "at": place})


class RelayError(Exception):
    """The root of all of ours."""


class InvalidRequest(RelayError):
    """The client's request cannot be served as it is: `problem` says why, `retry_after` (seconds) if time helps."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(problem.type)
        self.problem = problem
        self.retry_after = retry_after


class Unfinished(RelayError):
    """The answer is true now, and a repeated request shall be served anew."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__("unfinished")
        self.answer = answer


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


class OutOfTime(Unreachable):
    """The call was not begun: the time that is left is less than it can take."""

    def __init__(self) -> None:
        super().__init__("no time left to ask")


class NoAnswer(AdobeError):
    """The request was sent, at least in part, and no answer came: Adobe may have taken it."""


class ReplaysUnknown(RelayError):
    """The record of replays cannot be read now."""


class WorkflowError(RelayError):
    """An execution, or the table of claims, cannot be reached now."""
