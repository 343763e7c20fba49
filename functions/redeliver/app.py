"""Spool → Edge: redeliver what Edge could not take before."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from relay import wiring
from relay.delivery.redeliver import Received, Redeliverer

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext, redeliverer: Redeliverer | None = None) -> dict[str, Any]:
    """The messages of an SQS event that are to come again; `redeliverer` is from wiring when not given."""
    received = [_received(record) for record in SQSEvent(event).records]
    within = context.get_remaining_time_in_millis() / 1000
    coming_again = (redeliverer or wiring.redeliverer()).redeliver(received, within, metrics)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in coming_again]}


def _received(record: SQSRecord) -> Received:
    return Received(
        message_id=record.message_id,
        receipt=record.receipt_handle,
        text=record.body,
        receives=int(record.attributes.approximate_receive_count),
        replay_of=_text(record, "replayOf"),
        replay_id=_text(record, "replayId"),
    )


def _text(record: SQSRecord, name: str) -> str | None:
    """Of a message attribute; None when there is none, or one of another type."""
    attribute = record.message_attributes[name]
    return attribute.get("stringValue") if attribute else None
