"""How much time is left: one object, handed down to every call of another system."""

from collections.abc import Callable
from typing import NamedTuple, Self


class Deadline(NamedTuple):
    """The moment (epoch seconds) by which everything below has to be over, and the clock that tells.

    A call begins only if the longest time that it can take still fits: a call with a shorter timeout would turn a good
    but slow answer into none. What does not fit is not begun, and that is a result like any other.
    """

    at: float
    now: Callable[[], float]

    @classmethod
    def after(cls, seconds: float, now: Callable[[], float]) -> Self:
        return cls(now() + seconds, now)

    def before(self, seconds: float) -> Self:
        """An earlier one, which leaves so many seconds for what comes after."""
        return self._replace(at=self.at - seconds)

    def left(self) -> float:
        """Seconds; negative when it has passed."""
        return self.at - self.now()

    def fits(self, seconds: float) -> bool:
        """Whether something that takes so long at most may begin."""
        return self.left() >= seconds
