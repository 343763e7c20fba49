"""An HTTP answer, as the Lambda proxy integration response that API Gateway makes it from."""

import json
import math
from collections.abc import Mapping
from typing import Any

from relay.core.problem import Problem


def answer_json(
    status: int, request_id: str, content: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The content as JSON, or no body."""
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "x-request-id": request_id, **(headers or {})},
        "body": "" if content is None else json.dumps(content),
        "isBase64Encoded": False,
    }


def answer_problem(problem: Problem, request_id: str, retry_after: float | None = None) -> dict[str, Any]:
    """A refusal as problem+json; `retry_after` in seconds."""
    headers = {"Content-Type": "application/problem+json"}
    if retry_after is not None:
        headers["Retry-After"] = str(math.ceil(retry_after))
    return answer_json(problem.status, request_id, problem.as_json(requestId=request_id), headers)
