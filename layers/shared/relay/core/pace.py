"""How fast redelivery may use up Adobe's quota, so that it leaves room for those who wait for an answer."""


class Pace:
    """So many request units a second: each request waits until those before it have had their time. Not thread-safe."""

    def __init__(self, units_per_second: float) -> None:
        self._units_per_second = units_per_second
        self._free_at = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent."""
        return max(0.0, self._free_at - now)

    def take(self, units: int, now: float) -> float:
        """Seconds to wait before a request of so many units is sent; the next one has to wait for it."""
        seconds = self.wait(now)
        self._free_at = now + seconds + units / self._units_per_second
        return seconds
