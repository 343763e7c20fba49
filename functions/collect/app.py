"""POST /ee/v2/collect: hand a batch to Edge, or keep it safe until Edge will take it."""

import gc

gc.disable()  # imports leave no garbage, and looking for it costs about a twelfth of a cold import

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from relay import wiring
from relay.collect import Collect

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

gc.enable()
gc.freeze()  # what is here now stays, so later collections need not look at it

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: "LambdaContext", collect: Collect | None = None) -> dict[str, Any]:
    """The answer to a Lambda proxy integration event; `collect` is what serves it, from wiring when not given."""
    return (collect or wiring.collect()).serve(event, context, metrics)
