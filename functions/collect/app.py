"""POST /ee/v2/collect: hand a batch to Edge, and tell the client truthfully what became of it."""

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from relay import wiring
from relay.answers import answer_batch, answer_problem
from relay.batch import read_batch
from relay.errors import InvalidRequest
from relay.http_request import read_http_request, read_request_id

logger = Logger()

_ANSWER_SECONDS = 0.5  # kept back for answering, so that the client hears from us and not of a timeout


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext, collect: wiring.Collect | None = None) -> dict[str, Any]:
    """The answer to a Lambda proxy integration event; `collect` is what it works with, from wiring when not given."""
    collect = collect or wiring.collect()
    deadline = time.time() + context.get_remaining_time_in_millis() / 1000 - _ANSWER_SECONDS
    request_id = context.aws_request_id
    try:
        request = read_http_request(event)
        request_id = read_request_id(request) or request_id
        batch = read_batch(request, request_id, collect.allowed_datastreams)
        judgement = collect.forwarder.forward(batch, deadline)
    except InvalidRequest as refusal:
        logger.info("request refused", extra={"requestId": request_id, "problem": refusal.problem.type})
        return answer_problem(refusal.problem, request_id)
    logger.info("batch handled", extra={"requestId": request_id, **batch.counts(), **judgement.facts()})
    return answer_batch(batch, judgement)
