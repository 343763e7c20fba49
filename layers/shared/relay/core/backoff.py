"""How long a spooled message waits for its next try."""

from relay.core.verdict import Verdict

LONGEST = 1_800.0  # seconds
# A person has to fix a set-up; the few tries that convict an event must not all fall into one short trouble.
_FIRST = {Verdict.SETUP: 60.0, Verdict.UNCERTAIN: 450.0}
_FIRST_OTHERWISE = 5.0


def backoff(verdict: Verdict, tries: int, retry_after: float | None, random: float, longest: float = LONGEST) -> int:
    """Whole seconds: full jitter below a bound that doubles with each try, and never less than Adobe asked for.

    `tries` counts from 1; `random` is from 0 to 1. Only the upper half is used at the `longest` bound, or a message
    that is hidden again and again would be received more often in fourteen days than SQS grants; and where an event is
    being convicted.
    """
    bound = min(longest, _FIRST.get(verdict, _FIRST_OTHERWISE) * 2.0 ** min(tries - 1, 20))
    if bound == longest or verdict is Verdict.UNCERTAIN:
        random = (1 + random) / 2
    return max(1, round(bound * random), round((retry_after or 0.0) + 0.5))
