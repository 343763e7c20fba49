"""What the template tells the functions, and what that makes them do."""

import pytest

from relay.settings import Settings
from tests.support import template

# As the template gives them; the others are addresses and names.
ENVIRONMENT = {
    "EDGE_URL": "https://server.adobedc.net",
    "IMS_URL": "https://ims-na1.adobelogin.com",
    "CAMPAIGN_URL": "https://mc.adobe.io",
    "CAMPAIGN_ORGANIZATION": "example",
    "CAMPAIGN_REQUEST_ID_IN": "query",
    "INGEST_FIRST_WAIT": "10",
    "INGEST_DEADLINE": "14400",
    "ADOBE_SECRET_ID": "secret",
    "ALLOWED_DATASTREAMS": "",
    "SPOOL_URL": "https://sqs/spool",
    "TABLE": "table",
}


def settings(**changed: str) -> Settings:
    return Settings.from_environment(ENVIRONMENT | changed)


def test_these_are_the_templates_variables():
    """Those of all functions."""
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]

    assert set(ENVIRONMENT) <= set(variables)
    assert {name for name in variables if not name.startswith(("POWERTOOLS_", "PYTHON"))} == set(ENVIRONMENT)


@pytest.mark.parametrize(
    ("value", "allowed"), [("", set()), ("a", {"a"}), ("a,b", {"a", "b"}), (" a , b:dev ", {"a", "b:dev"})]
)
def test_datastreams_are_allowed_by_commas(value: str, allowed: set[str]):
    """None named: all of them."""
    assert settings(ALLOWED_DATASTREAMS=value).allowed_datastreams == allowed


@pytest.mark.parametrize(
    ("changed", "default"), [({"RESPOND_ASYNC": "true"}, True), ({"RESPOND_ASYNC": "false"}, False), ({}, False)]
)
def test_the_collect_function_hears_whether_clients_wait(changed: dict[str, str], default: bool):
    """The others do not ask."""
    variables = template()["Resources"]["CollectFunction"]["Properties"]["Environment"]["Variables"]

    assert variables == {"RESPOND_ASYNC": {"Ref": "RespondAsync"}}
    assert settings(**changed).respond_async is default


@pytest.mark.parametrize(("value", "in_body"), [("query", False), ("body", True)])
def test_campaign_is_asked_by_query_or_body(value: str, in_body: bool):
    """Adobe leaves it open."""
    assert settings(CAMPAIGN_REQUEST_ID_IN=value).campaign_request_id_in_body is in_body


@pytest.mark.parametrize("value", ["60", "60.0"])
def test_seconds_are_numbers(value: str):
    """CloudFormation may write a number of its own with a point."""
    chosen = settings(INGEST_DEADLINE=value, INGEST_FIRST_WAIT=value)

    assert (chosen.ingest_deadline, chosen.ingest_first_wait) == (60, 60.0)
