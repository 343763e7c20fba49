"""Plan an execution of the ingestion workflow: its input in, its runs out, or what is wrong with the input."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics

from relay.core.plan import InvalidInput, plan
from relay.measure import count

logger = Logger(child=True)


class Planner:
    """Plans with a deadline (seconds) for inputs that have none, and waits that grow from `first_wait` seconds."""

    def __init__(self, usual_deadline: int, first_wait: float, now: Callable[[], float]) -> None:
        self._usual_deadline = usual_deadline
        self._first_wait = first_wait
        self._now = now

    def plan(self, content: Any, metrics: Metrics) -> dict[str, Any]:
        """`{"runs": […]}` with JSON of core/run.py, or `{"problem": sentence}`."""
        try:
            runs = plan(content, self._now(), self._usual_deadline, self._first_wait)
        except InvalidInput as error:
            count(metrics, IngestionInputsRefused=1)
            logger.error("input refused", extra={"problem": str(error)})  # noqa: TRY400 - a sentence says it all
            return {"problem": str(error)}
        count(metrics, IngestionsStarted=len(runs))
        logger.info("ingestions planned", extra={"mappingIds": [run.mapping_id for run in runs]})
        return {"runs": [run.as_json() for run in runs]}
