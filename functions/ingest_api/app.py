"""POST and GET …/xdmIngestion/{mappingId}/ingest: start an ingestion, tell how it stands, in Campaign's form."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from relay import wiring
from relay.ingest_api import IngestApi

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext, ingest_api: IngestApi | None = None) -> dict[str, Any]:
    """The answer to a Lambda proxy integration event; `ingest_api` is from wiring when not given."""
    return (ingest_api or wiring.ingest_api()).serve(event, context, metrics)
