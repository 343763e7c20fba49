"""Metrics of what Adobe did with events and ingestions, the same in every function."""

from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import Metrics, MetricUnit

from relay.core.verdict import Verdict

if TYPE_CHECKING:
    from relay.core.run import Run
    from relay.core.settlement import Settlement

_INGESTION_ENDS = {
    "SUCCEEDED": "IngestionsSucceeded",
    "FAILED": "IngestionsFailed",
    "ABORTED": "IngestionsAborted",
    "TIMED_OUT": "IngestionsTimedOut",
}


def measure_settlement(metrics: Metrics, settlement: "Settlement") -> None:
    """Add what happened at Edge; nothing is added for what did not happen."""
    asked = [judgement for judgement in settlement.judgements if judgement.seconds]
    for judgement in asked:
        metrics.add_metric("EdgeLatency", MetricUnit.Milliseconds, round(judgement.seconds * 1000, 1))
    count(
        metrics,
        EdgeRequestUnits=sum(judgement.units for judgement in settlement.judgements),
        PossibleDuplicates=settlement.in_doubt,
        SetupErrors=sum(judgement.verdict is Verdict.SETUP for judgement in settlement.judgements),
        InternalErrors=sum(judgement.has_failed for judgement in settlement.judgements),
        EventsIgnored=settlement.ignored,
        TokenRefreshes=settlement.tokens_minted,
    )


def count(metrics: Metrics, **counts: int) -> None:
    """Add the counts that are not zero: each metric is paid for."""
    for name, number in counts.items():
        if number:
            metrics.add_metric(name, MetricUnit.Count, number)


def measure_run(metrics: Metrics, run: "Run") -> None:
    """Add what an ingestion's run came to, at its end."""
    if end := _INGESTION_ENDS.get(run.state):
        count(metrics, **{end: 1}, RecordsIngested=run.num_records, UnknownIngestionStatuses=run.unknown_statuses)
        if run.state == "SUCCEEDED" and run.started_by == "schedule":
            count(metrics, ScheduledIngestionsSucceeded=1)
        metrics.add_metric("IngestionDuration", MetricUnit.Seconds, run.ended_at - run.started_at)
