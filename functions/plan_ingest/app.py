"""State PlanIngest: the input of an execution becomes one run for each mapping."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from relay import wiring
from relay.plan import Planner

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext, planner: Planner | None = None) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """The runs that `event["input"]` asks for; `planner` is from wiring when not given."""
    return (planner or wiring.planner()).plan(event["input"], metrics)
