"""Answer a repeated request with the first answer, and send nothing.

Kept for an hour by Powertools Idempotency, per caller, datastream, location hint, `silent` and the client's requestId.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer
from aws_lambda_powertools.utilities.typing import LambdaContext

from relay.core.problem import our_problem
from relay.errors import InvalidRequest, Unfinished
from relay.http_request import HttpRequest

KEPT_SECONDS = 3_600
SECONDS = 2.0  # that a call of the store takes at most

_IN_PROGRESS = our_problem(
    "in-progress",
    409,
    "Request in progress",
    "A request with this requestId is being served. Send it again after Retry-After seconds for its answer.",
)
_REUSED = our_problem(
    "request-id-reused",
    422,
    "requestId used for another request",
    "Within the last hour this requestId came with another body. Use a new requestId.",
)

Answer = dict[str, Any]


class Idempotency:
    """Remembers answers in the given store."""

    seconds = SECONDS  # for remembering an answer

    def __init__(self, store: BasePersistenceLayer) -> None:
        self._store = store

    def once(
        self, request: HttpRequest, request_id: str, context: LambdaContext, serve: Callable[[], Answer]
    ) -> Answer:
        """What `serve` answers, or answered when the request came first. Without the store it is served all the same.

        An answer that `serve` raises as Unfinished is not remembered. Raises Unfinished, and InvalidRequest for a twin
        that is still being served and for an id that came with another body.
        """
        served: list[Answer] = []

        def serve_once(**_: Any) -> Answer:
            try:
                served.append(serve())
            except Unfinished as unfinished:
                served.append(unfinished.answer)
                raise
            return served[0]

        key = [request.caller, request.query.get("datastreamid", ""), request_id, request.query.get("silent", "")]
        if hint := request.path.get("hint"):
            key.append(hint)
        payload = {
            "key": key,
            "body": hashlib.sha256(request.body.encode("utf-8", "surrogatepass")).hexdigest(),
        }
        config = IdempotencyConfig(
            event_key_jmespath="key",
            payload_validation_jmespath="body",
            expires_after_seconds=KEPT_SECONDS,
            hash_function="sha256",
            lambda_context=context,  # a function that dies holds its lock no longer than it could have lived
        )
        guarded = idempotent_function(
            serve_once,
            data_keyword_argument="request",
            persistence_store=self._store,
            config=config,
            key_prefix="collect",
        )
        try:
            answer: Answer = guarded(request=payload)
        except IdempotencyAlreadyInProgressError as error:
            raise InvalidRequest(_IN_PROGRESS, retry_after=1.0) from error
        except IdempotencyValidationError as error:
            raise InvalidRequest(_REUSED) from error
        except (IdempotencyPersistenceLayerError, IdempotencyInconsistentStateError):
            return served[0] if served else serve()
        return answer
