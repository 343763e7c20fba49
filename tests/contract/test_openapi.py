"""docs/openapi.yaml is valid, complete, and says what the template and the code say."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import validate as validate_document

from relay.core.report import MAPPING_ID, REQUEST_ID
from relay.http_request import CONTENT_TYPES
from tests.openapi import DOCUMENT, resolve, validate
from tests.support import PROJECT, template

RELAY = PROJECT / "layers/shared/relay"
README = (PROJECT / "README.md").read_text()
GATEWAY_RESPONSES = template()["Resources"]["RelayApi"]["Properties"]["GatewayResponses"]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def test_it_is_valid():
    """OpenAPI 3.1."""
    assert DOCUMENT["openapi"].startswith("3.1.")
    validate_document(DOCUMENT)


def test_it_has_the_routes_of_the_template():
    """And no other."""
    events = [
        event["Properties"]
        for resource in template()["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
        for event in resource["Properties"].get("Events", {}).values()
        if event["Type"] == "Api"
    ]

    assert {(path, method) for path, method, _ in operations()} == {
        (event["Path"], event["Method"]) for event in events
    }


def test_every_operation_needs_the_key():
    """As the template says, in the header that API Gateway reads."""
    assert template()["Resources"]["RelayApi"]["Properties"]["Auth"]["ApiKeyRequired"] is True
    assert DOCUMENT["security"] == [{"apiKey": []}]
    assert [operation for _, _, operation in operations() if "security" in operation] == []


def test_every_problem_of_the_relay_is_listed():
    """Those of the code and those of API Gateway."""
    named = {
        f"urn:adobe-relay:{name}"
        for file in RELAY.rglob("*.py")
        for name in re.findall(r'(?:our_problem|_unavailable)\(\s*"([a-z-]+)"', file.read_text())
    }
    named |= set(re.findall(r"urn:adobe-relay:[a-z-]+", (PROJECT / "template.yaml").read_text()))

    assert set(DOCUMENT["components"]["schemas"]["ProblemType"]["anyOf"][1]["enum"]) == named


@pytest.mark.parametrize("name", GATEWAY_RESPONSES)
def test_what_api_gateway_refuses_itself_is_a_problem_like_any_other(name: str):
    """With the status it is sent with, and without a word of a client's in it."""
    response = GATEWAY_RESPONSES[name]
    ((content_type, text),) = response["ResponseTemplates"].items()

    problem = json.loads(text.replace("$context.requestId", "f567a988-4b3c-45a6-9ed8-f283188a445e"))

    validate(problem, {"$ref": "#/components/schemas/Problem"})
    assert content_type == "application/json"  # what the template is chosen by, not what is sent
    assert response["ResponseParameters"]["Headers"]["Content-Type"] == "'application/problem+json'"
    assert problem["status"] == response["StatusCode"]
    assert re.findall(r"\$\w+\.\w+", text) == ["$context.requestId"]


def test_every_gateway_response_is_an_answer_of_every_operation():
    """API Gateway may give it before a function is asked."""
    statuses = {str(response["StatusCode"]) for response in GATEWAY_RESPONSES.values()}

    for path, method, operation in operations():
        assert statuses <= set(operation["responses"]), (path, method)


def test_the_readme_explains_every_status():
    """In its tables of answers."""
    for heading, path in (("## Send a batch", "/ee/v2/collect"), ("## Ingest a mapping", "/{organization}")):
        section = README.split(heading)[1].split("\n## ")[0].split("### ")[0]
        rows = re.findall(r"^\| ((?:`\d{3}` ?)+)\|", section, re.MULTILINE)
        explained = {status for row in rows for status in re.findall(r"\d+", row)}
        described = {
            status
            for found, _, operation in operations()
            if found.startswith(path)
            for status in operation["responses"]
        }

        assert explained == described


def test_ids_have_the_patterns_of_the_code():
    """One rule, written down twice."""
    parameters = DOCUMENT["components"]["parameters"]
    get = next(operation for _, method, operation in operations() if method == "get")

    assert parameters["mappingId"]["schema"]["pattern"] == f"^{MAPPING_ID.pattern}$"
    assert get["parameters"][0]["schema"]["pattern"] == f"^{REQUEST_ID.pattern}$"


def test_the_content_types_are_those_of_the_code():
    """Edge's own."""
    body = DOCUMENT["paths"]["/ee/v2/collect"]["post"]["requestBody"]

    assert set(body["content"]) == set(CONTENT_TYPES)


def media_types(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "schema" in node and ({"example", "examples"} & set(node)):
            yield node
        for value in node.values():
            yield from media_types(value)
    elif isinstance(node, list):
        for value in node:
            yield from media_types(value)


EXAMPLES = [
    (example, node["schema"])
    for node in media_types(DOCUMENT)
    for example in [node.get("example"), *(found["value"] for found in node.get("examples", {}).values())]
    if example is not None
]


@pytest.mark.parametrize(("example", "schema"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_is_one(example: Any, schema: dict[str, Any]):
    """Of its schema."""
    validate(example, resolve(schema))


def test_it_has_the_version_of_the_project():
    """Of pyproject.toml."""
    assert f'version = "{DOCUMENT["info"]["version"]}"' in (PROJECT / "pyproject.toml").read_text()
