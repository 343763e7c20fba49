"""docs/openapi.yaml, and whether an answer is one of those that it describes."""

import json
import re
from typing import Any

import jsonschema
import requests
import yaml

from tests.support import PROJECT

DOCUMENT = yaml.safe_load((PROJECT / "docs/openapi.yaml").read_text())


def check(response: requests.Response, base_url: str) -> requests.Response:
    """The response, which is as described for its path and method: status, headers, content type, body."""
    request = response.request
    assert request.url
    assert request.method
    path = request.url.removeprefix(base_url).partition("?")[0]
    described = resolve(operation(path, request.method)["responses"].get(str(response.status_code)))
    assert described, f"{request.method} {path} may not answer {response.status_code}"
    told = {name for name in ("retry-after", "x-request-id", "preference-applied") if name in response.headers}
    assert told <= set(map(str.lower, described.get("headers", {}))), told
    for name, reference in described.get("headers", {}).items():
        header = resolve(reference)
        assert name in response.headers or not header.get("required"), name
        if name in response.headers:
            validate(response.headers[name], header["schema"])
    if "content" not in described:
        assert response.content == b""
        return response
    content_type = response.headers["Content-Type"]
    assert content_type in described["content"], content_type
    validate(response.json(), described["content"][content_type]["schema"])
    if content_type == "application/problem+json":
        assert response.json()["status"] == response.status_code
    return response


def operation(path: str, method: str) -> dict[str, Any]:
    for template, item in DOCUMENT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return item[method.lower()]
    raise AssertionError(f"{path} is not described")


def resolve(node: Any) -> Any:
    """What a reference within the document leads to."""
    if node and "$ref" in node:
        found: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return found
    return node


def validate(instance: Any, schema: Any) -> None:
    """Raises jsonschema.ValidationError."""
    whole = json.loads(json.dumps({"components": DOCUMENT["components"], **schema}))
    jsonschema.Draft202012Validator(whole).validate(instance)
