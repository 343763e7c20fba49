"""Store messages on a queue, so that whatever goes wrong only their own events are unsafe."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from relay.core.deadline import Deadline
from relay.errors import log_failure

if TYPE_CHECKING:
    from relay.core.message import Message


MAX_DELAY = 900  # seconds that SQS can hold back a new message


class Queue(Protocol):
    seconds: float  # that a call takes at most

    def put(
        self,
        texts: Sequence[str],
        deadline: Deadline,
        *,
        delays: Sequence[int] = (),
        attributes: Sequence[Mapping[str, str]] = (),
    ) -> set[int]:
        """Store the texts; the places of those that may not be stored."""
        ...


def store(
    queue: Queue,
    messages: "Sequence[Message | str]",
    deadline: Deadline,
    *,
    delays: Sequence[int] = (),
    attributes: Sequence[Mapping[str, str]] = (),
) -> set[int]:
    """Store messages, or texts of messages; the places of those that may not be stored.

    Without any the queue is not called. A message that cannot be written is unsafe alone. Delays (seconds) and
    attributes are by place, if there are any.
    """
    from relay.core.message import write_message  # noqa: PLC0415 - on most days nothing is spooled

    if not messages:
        return set()
    texts: dict[int, str] = {}
    for place, message in enumerate(messages):
        try:
            texts[place] = message if isinstance(message, str) else write_message(message)
        except Exception as error:  # noqa: BLE001 - the others can be stored
            log_failure("a message cannot be written; its events are unsafe", error)
    places = list(texts)
    try:
        failed = queue.put(
            list(texts.values()),
            deadline,
            delays=[delays[place] for place in places] if delays else (),
            attributes=[attributes[place] for place in places] if attributes else (),
        )
    except Exception as error:  # noqa: BLE001 - it is not known what was stored: to store it twice is the lesser harm
        log_failure("a queue failed in code of ours; its messages may not be stored", error)
        return set(range(len(messages)))
    return set(range(len(messages))) - {place for number, place in enumerate(places) if number not in failed}
