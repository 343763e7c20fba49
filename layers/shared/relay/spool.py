"""Store messages on a queue, so that whatever goes wrong only their own events are unsafe."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from relay.core.deadline import Deadline
from relay.errors import log_failure

if TYPE_CHECKING:
    from relay.core.message import Outgoing


class Queue(Protocol):
    seconds: float  # that a call takes at most

    def put(self, messages: "Sequence[Outgoing]", deadline: Deadline) -> set[int]:
        """Store the messages; the places of those that may not be stored."""
        ...


def store(queue: Queue, messages: "Sequence[Outgoing]", deadline: Deadline) -> set[int]:
    """Store messages; the places of those that may not be stored.

    Without any the queue is not called. A message that cannot be written is unsafe alone.
    """
    if not messages:
        return set()
    unsafe = set(range(len(messages)))
    written: dict[int, Outgoing] = {}
    for place, message in enumerate(messages):
        try:
            written[place] = message._replace(content=message.text)
        except Exception as error:  # noqa: BLE001 - the others can be stored
            log_failure("a message cannot be written; its events are unsafe", error)
    try:
        failed = queue.put(list(written.values()), deadline)
    except Exception as error:  # noqa: BLE001 - it is not known what was stored: to store it twice is the lesser harm
        log_failure("a queue failed in code of ours; its messages may not be stored", error)
        return unsafe
    return unsafe - {place for number, place in enumerate(written) if number not in failed}
