"""One run of an ingestion: where it stands, and what each answer of Adobe makes of it.

A run is what the states of the workflow hand to each other, as JSON:
`{"mappingId", "startedBy", "startedAt", "deadlineAt", "state", "attempts": [{"requestId", "adopted"}], "batchId",
"info", "numRecords", "code", "reason", "advice", "endedAt", "polls", "unknownStatuses", "waits", "waitSeconds",
"doubts"}`; times in epoch seconds. The state machine reads `state` and `waitSeconds`, and announces. When a function
fails it adds to `doubts`, reads `deadlineAt`, and gives the run up (`state`, `endedAt`, `reason`, `advice`).
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from relay.core.report import Report, Status, Trouble
from relay.core.verdict import Verdict

# States, by their names in statemachine/ingest.asl.json.
PENDING = "PENDING"  # to be submitted, for the first time or again
RUNNING = "RUNNING"  # submitted; Adobe has not told an end
UNKNOWN = "UNKNOWN"  # the same, and Adobe's last status is none that is documented
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
ABORTED = "ABORTED"
TIMED_OUT = "TIMED_OUT"
ENDS = frozenset({SUCCEEDED, FAILED, ABORTED, TIMED_OUT})

MAX_ATTEMPTS = 3  # submissions that Adobe took: the first, and two after "Aborted"
MAX_DOUBTS = 10  # submissions without a word of Campaign's: each may have started an ingestion

_GROWTH = 1.5
LONGEST_WAIT = 300  # seconds
_SETUP_WAIT = 60  # seconds; a person has to mend it

_ADVICE_BY_CODE = {
    "ACP-880056": "Check the mapping's query and its tables in Campaign Standard, then start it again.",
    "ACP-880096": "Look for the batch in Experience Platform's UI, mend records or schema, then start it again.",
}
_ADVICE_BY_WORDS = {
    "not stopped": "Stop the mapping in Campaign Standard (Administration > Development > Platform > Status of data "
    "export to platform: open it, Stop, Save), then start it again.",
    "not published": "Publish the mapping in Campaign Standard, stop it, then start it again.",
}
_PLACE = "(Administration > Development > Platform > Status of data export to platform)"
_ADVICE = f"See the mapping's jobs in Campaign Standard {_PLACE}, then start it again."
_SETUP_ADVICE = (
    "Check the mapping ID, CampaignOrganization, and the rights of Adobe's credentials; then start it again."
)
_UNKNOWN_END_ADVICE = (
    "Adobe may still be at work: see the mapping's jobs in Campaign Standard before starting it again."
)
_NOT_TAKEN_ADVICE = "Adobe has taken nothing: start it again when Adobe is back."


class Attempt(NamedTuple):
    """A submission that Adobe took; adopted if the request was already in progress."""

    request_id: str
    adopted: bool


class Run(NamedTuple):
    """One mapping, from its first submission to its end."""

    mapping_id: str
    started_by: str  # "schedule", "https" or "execution"
    started_at: int
    deadline_at: int
    state: str = PENDING
    attempts: tuple[Attempt, ...] = ()
    batch_id: str = ""
    info: str = ""  # Adobe's last words
    num_records: int = 0
    code: str = ""  # ACP-…, from `info`
    reason: str = ""  # why it ended so, or what hinders it now
    advice: str = ""  # what a person should do
    ended_at: int = 0
    polls: int = 0
    unknown_statuses: int = 0
    waits: int = 0  # so far: each is longer than the one before
    wait_seconds: int = 0
    doubts: int = 0  # see MAX_DOUBTS

    @property
    def request_id(self) -> str:
        """Of the last attempt."""
        return self.attempts[-1].request_id

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        values = {name: content[_camel(name)] for name in cls._fields}
        attempts = tuple(Attempt(attempt["requestId"], attempt["adopted"]) for attempt in values.pop("attempts"))
        return cls(attempts=attempts, **values)

    def as_json(self) -> dict[str, Any]:
        attempts = [{"requestId": attempt.request_id, "adopted": attempt.adopted} for attempt in self.attempts]
        return {_camel(name): value for name, value in self._asdict().items()} | {"attempts": attempts}


def submitted(run: Run, outcome: Report | Trouble, now: float, first_wait: float) -> Run:
    """What the outcome of a submission makes of the run; waits grow from `first_wait` seconds."""
    if isinstance(outcome, Trouble):
        return _not_submitted(run, outcome, now, first_wait)
    if outcome.status is Status.FAILED:
        return _end(run, FAILED, outcome, now, f"Adobe refuses the submission: {outcome.info}", _advise(outcome))
    if not outcome.request_id:
        reason = f"Adobe has taken the submission and named no request, so it cannot be followed: {outcome.info}"
        return _end(run, FAILED, outcome, now, reason, _UNKNOWN_END_ADVICE)
    attempt = Attempt(outcome.request_id, adopted=outcome.status is Status.IN_PROGRESS)
    attempts = (*run.attempts, attempt)
    run = run._replace(state=RUNNING, attempts=attempts, info=outcome.info, reason="", advice="", doubts=0)
    return _wait(run, now, first_wait)


def take_over(run: Run, attempt: Attempt, now: float, first_wait: float) -> Run:
    """The run of a request that Adobe has taken already."""
    return _wait(run._replace(state=RUNNING, attempts=(attempt,)), now, first_wait)


def polled(run: Run, outcome: Report | Trouble, now: float, first_wait: float) -> Run:
    """What the outcome of a status call makes of the run. No failing call ends it before its deadline."""
    run = run._replace(polls=run.polls + 1)
    if isinstance(outcome, Report) and outcome.request_id not in ("", run.request_id):
        outcome = Trouble(Verdict.UNCERTAIN, "Adobe's answer is about another request")
    if isinstance(outcome, Trouble):
        return _go_on(run._replace(reason=outcome.reason), now, first_wait, outcome)
    if outcome.status is Status.SUCCESS:
        return _end(run, SUCCEEDED, outcome, now)
    if outcome.status is Status.FAILED:
        return _end(run, FAILED, outcome, now, outcome.info or "Adobe gives no reason", _advise(outcome))
    if outcome.status is Status.ABORTED:
        return _aborted(run, outcome, now, first_wait)
    unknown = outcome.status is Status.UNKNOWN
    run = run._replace(
        state=UNKNOWN if unknown else RUNNING,
        unknown_statuses=run.unknown_statuses + unknown,
        info=outcome.info,
        reason="Adobe's status is none that is documented" if unknown else "",
    )
    return _go_on(run, now, first_wait)


def wait_after(trouble: Trouble, usual: float) -> int:
    """Whole seconds until Adobe is asked again: the usual ones, or what a person needs, or what Adobe asks for."""
    return math.ceil(max(usual, _SETUP_WAIT if trouble.verdict is Verdict.SETUP else 0, trouble.retry_after or 0))


def is_late(run: Run, now: float) -> bool:
    """Whether its deadline has passed."""
    return now >= run.deadline_at


def time_out(run: Run, now: float) -> Run:
    """The end of a run that its deadline has overtaken."""
    hindrance = f" Last hindrance: {run.reason}." if run.reason else ""
    reason = f"No end was told within {run.deadline_at - run.started_at} seconds.{hindrance}"
    nothing_taken = not run.attempts and not run.doubts
    advice = run.advice or _NOT_TAKEN_ADVICE if nothing_taken else _UNKNOWN_END_ADVICE
    return run._replace(state=TIMED_OUT, reason=reason, advice=advice, ended_at=int(now))


def is_doubtful(run: Run) -> bool:
    """Whether it was submitted so often without a word of Campaign's that it must not be again."""
    return run.doubts >= MAX_DOUBTS


def give_up_submitting(run: Run, now: float) -> Run:
    """The end of a run that is doubtful."""
    reason = f"Adobe does not take the submission, asked {run.doubts} times: {run.reason or 'no answer came back'}"
    advice = run.advice or _UNKNOWN_END_ADVICE
    return run._replace(state=FAILED, info="", reason=reason, advice=advice, ended_at=int(now))  # info was of before


def _not_submitted(run: Run, trouble: Trouble, now: float, first_wait: float) -> Run:
    sent = trouble.http_status is not None or trouble.verdict is Verdict.UNCERTAIN
    in_doubt = sent and trouble.verdict is not Verdict.TRANSIENT
    advice = _SETUP_ADVICE if trouble.verdict is Verdict.SETUP else ""
    run = run._replace(doubts=run.doubts + in_doubt, reason=trouble.reason, advice=advice)
    if is_doubtful(run):
        return give_up_submitting(run, now)
    return _go_on(run, now, first_wait, trouble)


def _aborted(run: Run, report: Report, now: float, first_wait: float) -> Run:
    if len(run.attempts) == MAX_ATTEMPTS:
        reason = f"Adobe aborted {MAX_ATTEMPTS} requests, the last one with: {report.info}"
        return _end(run, ABORTED, report, now, reason, _ADVICE)
    run = run._replace(state=PENDING, info=report.info, reason="Adobe aborted the request")
    if is_late(run, now):
        return time_out(run, now)
    # Soon: the longer nothing runs, the likelier somebody else starts the mapping, and it is ingested twice.
    return run._replace(wait_seconds=math.ceil(first_wait))


def _go_on(run: Run, now: float, first_wait: float, trouble: Trouble | None = None) -> Run:
    return time_out(run, now) if is_late(run, now) else _wait(run, now, first_wait, trouble)


def _wait(run: Run, now: float, first_wait: float, trouble: Trouble | None = None) -> Run:
    """Until the deadline at most, when there is one more call; but never less than Adobe asks for."""
    growing = min(first_wait * _GROWTH ** min(run.waits, 50), LONGEST_WAIT)
    wait = wait_after(trouble, growing) if trouble else math.ceil(growing)
    least = math.ceil((trouble and trouble.retry_after) or 1)
    return run._replace(waits=run.waits + 1, wait_seconds=max(min(wait, math.ceil(run.deadline_at - now)), least))


def _end(run: Run, state: str, report: Report, now: float, reason: str = "", advice: str = "") -> Run:
    return run._replace(
        state=state,
        batch_id=report.batch_id,
        info=report.info,
        num_records=report.num_records if state == SUCCEEDED else 0,
        code=report.code,
        reason=reason,
        advice=advice,
        ended_at=int(now),
    )


def _advise(report: Report) -> str:
    by_words = next((advice for words, advice in _ADVICE_BY_WORDS.items() if words in report.info), _ADVICE)
    return _ADVICE_BY_CODE.get(report.code, by_words)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))
