"""State TriggerIngest: submit an ingestion to Adobe, or adopt the request that is already in progress."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from relay import wiring
from relay.ingest import Ingestor

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext, ingestor: Ingestor | None = None) -> dict[str, Any]:
    """The run that `event` is, after its submission; `ingestor` is from wiring when not given."""
    return (ingestor or wiring.ingestor()).trigger(event, context.get_remaining_time_in_millis() / 1000, metrics)
