"""Take a run of an ingestion one step further: submit it to Adobe, or ask Adobe how it stands."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics

from relay.campaign import CampaignClient
from relay.core.deadline import Deadline
from relay.core.report import Report, Trouble
from relay.core.run import (
    ENDS,
    RUNNING,
    SUCCEEDED,
    TIMED_OUT,
    Run,
    give_up_submitting,
    is_doubtful,
    is_late,
    polled,
    submitted,
    time_out,
)
from relay.core.verdict import Verdict
from relay.measure import count, measure_run

logger = Logger(child=True)

_ANSWER_SECONDS = 2.0  # kept back for handing the run on


class Ingestor:
    """Steps of runs, as JSON in and out (see core/run.py); waits grow from `first_wait` seconds."""

    def __init__(self, campaign: CampaignClient, first_wait: float, now: Callable[[], float]) -> None:
        self._campaign = campaign
        self._first_wait = first_wait
        self._now = now

    def trigger(self, content: dict[str, Any], within: float, metrics: Metrics) -> dict[str, Any]:
        """The run after its submission, which has so many seconds. Past its own deadline nothing is submitted."""
        run = Run.from_json(content)
        if is_late(run, self._now()):
            return _report(time_out(run, self._now()), None, metrics)
        if is_doubtful(run):
            return _report(give_up_submitting(run, self._now()), None, metrics)
        outcome = self._campaign.submit(run.mapping_id, self._deadline(within), metrics)
        return _report(submitted(run, outcome, self._now(), self._first_wait), outcome, metrics)

    def poll(self, content: dict[str, Any], within: float, metrics: Metrics) -> dict[str, Any]:
        """The run after a look at how it stands, which has so many seconds."""
        run = Run.from_json(content)
        outcome = self._campaign.status(run.mapping_id, run.request_id, self._deadline(within), metrics)
        return _report(polled(run, outcome, self._now(), self._first_wait), outcome, metrics)

    def _deadline(self, within: float) -> Deadline:
        return Deadline.after(within - _ANSWER_SECONDS, self._now)


def _report(run: Run, outcome: Report | Trouble | None, metrics: Metrics) -> dict[str, Any]:
    """The run as JSON, logged and measured on the way."""
    trouble = outcome if isinstance(outcome, Trouble) else None
    measure_run(metrics, run)
    count(metrics, SetupErrors=int(trouble is not None and trouble.verdict is Verdict.SETUP))
    facts = {
        "mappingId": run.mapping_id,
        "requestIds": [attempt.request_id for attempt in run.attempts],
        "state": run.state,
        "code": run.code,
        "verdict": trouble and trouble.verdict.value,
        "reason": trouble.reason if trouble else run.state == TIMED_OUT and run.reason,  # no words of Adobe's
        "waitSeconds": run.state not in ENDS and run.wait_seconds,
    }
    log = logger.info if run.state in (RUNNING, SUCCEEDED) and not trouble else logger.warning
    log("ingestion handled", extra={name: value for name, value in facts.items() if value})
    return run.as_json()
