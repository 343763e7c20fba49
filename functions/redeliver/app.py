"""Spool → Edge: redeliver what Edge could not take before."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from relay import wiring
from relay.errors import PutBack
from relay.measure import count, measure_settlement
from relay.redeliver import Received, Redeliverer

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(
    event: dict[str, Any], context: LambdaContext, redeliverer: Redeliverer | None = None
) -> PartialItemFailureResponse:
    """The messages of an SQS event that are to come again; `redeliverer` is from wiring when not given."""
    messages = (redeliverer or wiring.redeliverer()).round(context.get_remaining_time_in_millis() / 1000)

    def take(record: SQSRecord) -> None:
        try:
            messages.take(_received(record))
        except PutBack:
            raise
        except Exception as error:  # the processor below hides it, and the message comes again
            logger.error("message failed", extra={"error": type(error).__name__})  # noqa: TRY400 - it may quote events
            count(metrics, RedeliverFailures=1)
            raise

    # PutBack is how a message says that it comes again, so a batch of nothing else is no error.
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(event, take, processor, context)
    messages.close()
    for settlement in messages.settlements:
        measure_settlement(metrics, settlement)
    metrics.add_metric("SpoolAge", MetricUnit.Seconds, messages.age())
    count(metrics, MessagesReceived=len(event["Records"]), **messages.tally.metrics())
    log = logger.warning if messages.has_trouble() else logger.info
    log("messages redelivered", extra=messages.facts())
    return answer


def _received(record: SQSRecord) -> Received:
    replay_of = record.message_attributes["replayOf"]
    return Received(
        message_id=record.message_id,
        receipt=record.receipt_handle,
        text=record.body,
        receives=int(record.attributes.approximate_receive_count),
        replay_of=replay_of.string_value if replay_of else None,
    )
