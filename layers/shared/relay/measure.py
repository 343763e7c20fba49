"""Metrics of what Edge did with events, the same in every function that forwards."""

from aws_lambda_powertools.metrics import Metrics, MetricUnit

from relay.core.verdict import Verdict
from relay.forward import Settlement


def measure_settlement(metrics: Metrics, settlement: Settlement) -> None:
    """Add what happened at Edge; nothing is added for what did not happen."""
    asked = [judgement for judgement in settlement.judgements if judgement.seconds]
    for judgement in asked:
        metrics.add_metric("EdgeLatency", MetricUnit.Milliseconds, round(judgement.seconds * 1000, 1))
    count(
        metrics,
        PossibleDuplicates=settlement.ambiguous_events(),
        SetupErrors=sum(judgement.verdict is Verdict.SETUP for judgement in settlement.judgements),
        EventsIgnored=settlement.ignored,
        TokenRefreshes=settlement.tokens_minted,
    )


def count(metrics: Metrics, **counts: int) -> None:
    """Add the counts that are not zero: each metric is paid for."""
    for name, number in counts.items():
        if number:
            metrics.add_metric(name, MetricUnit.Count, number)
