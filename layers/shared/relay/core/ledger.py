"""Which messages of a round are done with: all their events are delivered, or stored elsewhere."""

from dataclasses import dataclass

from relay.core.disposition import DeadLetter, Disposition, Retry


@dataclass(slots=True)
class Account:
    """The events of one message, by what has become of them."""

    undecided: int
    to_store: int = 0
    delivered: int = 0
    stored: int = 0
    stays: bool = False  # it comes again as it is

    @property
    def is_done(self) -> bool:
        """Whether the message may be deleted."""
        return not (self.stays or self.undecided or self.to_store)

    @property
    def is_urgent(self) -> bool:
        """Whether the rest of it is to be stored now: what was delivered of it is sent again if the function dies."""
        return bool(self.delivered and self.to_store and not self.undecided)


class Ledger:
    """The messages of a round by number, and what is to be stored of their events."""

    def __init__(self) -> None:
        self._accounts: dict[int, Account] = {}
        self._dead: list[DeadLetter] = []
        self._retries: list[Retry] = []
        self._changed: set[int] = set()  # messages since `done` was asked for

    def open(self, message: int, events: int) -> None:
        """Take up a message with so many events, of which nothing is decided."""
        self._accounts[message] = Account(events)
        self._changed.add(message)

    def decide(self, disposition: Disposition) -> None:
        """Take up what becomes of the events of a load."""
        for item in disposition.delivered:
            account = self._change(item.message)
            account.undecided -= 1
            account.delivered += 1
        for letter in disposition.dead:
            self._await(letter.message, len(letter.items) or 1)
        for retry in disposition.retries:
            self._await(retry.item.message, 1)
        self._dead += disposition.dead
        self._retries += disposition.retries

    def take_dead(self) -> list[DeadLetter]:
        """The dead letters that are to be stored now."""
        dead, self._dead = self._dead, []
        return dead

    def take_retries(self) -> list[Retry]:
        """The events that are to be stored now, to be tried again; not those that come again with their message."""
        retries, self._retries = self._retries, []
        return [retry for retry in retries if not self._accounts[retry.item.message].stays]

    def stored(self, message: int, events: int) -> None:
        """So many events of the message are stored elsewhere."""
        account = self._change(message)
        account.to_store -= events
        account.stored += events

    def retry_instead(self, letter: DeadLetter) -> None:
        """A dead letter is not stored: its events are tried again, or its message stays."""
        retries = letter.retries()
        if not retries:
            self.stay(letter.message)
        self._retries += retries

    def stay(self, message: int) -> None:
        """The message comes again as it is, with all its events."""
        self._change(message).stays = True

    @property
    def is_urgent(self) -> bool:
        """Whether to store now what is to be stored, of messages that have changed."""
        return any(self._accounts[message].is_urgent for message in self._changed)

    def newly_done(self) -> set[int]:
        """The messages that may be deleted, and could not when this was asked for the last time."""
        changed, self._changed = self._changed, set()
        return {message for message in changed if self._accounts[message].is_done}

    def staying(self) -> set[int]:
        """The messages that must not be deleted."""
        return {message for message, account in self._accounts.items() if not account.is_done}

    def there_twice(self) -> int:
        """How many events are delivered, or stored elsewhere, while their message comes again as it is."""
        return sum(account.delivered + account.stored for account in self._accounts.values() if not account.is_done)

    def _await(self, message: int, events: int) -> None:
        account = self._change(message)
        account.undecided = max(0, account.undecided - events)
        account.to_store += events

    def _change(self, message: int) -> Account:
        self._changed.add(message)
        return self._accounts[message]
