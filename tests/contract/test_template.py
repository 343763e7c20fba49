"""What holds for every resource of the template, the ones still to come included."""

import re
import subprocess
from typing import Any

import pytest

from relay.wiring import EDGE_TIMEOUTS, IMS_TIMEOUTS
from tests.support import PROJECT, template

TEMPLATE = template()
PARAMETERS = TEMPLATE["Parameters"]
FUNCTIONS = {name: item for name, item in TEMPLATE["Resources"].items() if item["Type"] == "AWS::Serverless::Function"}
API_GATEWAY_SECONDS = 29  # that it waits for a function


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_is_described_and_constrained(name: str):
    """A person who deploys for the first time is told what to type, and what is wrong with it."""
    parameter = PARAMETERS[name]

    assert parameter["Description"].endswith(".")
    assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter)
    assert "Default" in parameter or name in ("AdobeClientId", "AdobeClientSecret", "AdobeOrgId")


def test_every_parameter_is_in_a_group():
    """So that the console shows them in an order that makes sense."""
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    assert {name for group in groups for name in group["Parameters"]} == set(PARAMETERS)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://server.adobedc.net", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://server.adobedc.net", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost@example.com", False),
        ("https://server.adobedc.net/", False),
        ("https://", False),
    ],
)
@pytest.mark.parametrize("name", ["EdgeUrl", "ImsUrl", "CampaignUrl"])
def test_credentials_leave_this_machine_over_https_only(name: str, url: str, allowed: bool):
    """Plain http is for the loopback interface."""
    assert bool(re.search(PARAMETERS[name]["AllowedPattern"], url)) == allowed


def test_the_client_secret_is_never_shown():
    """Neither by CloudFormation nor by an output."""
    assert PARAMETERS["AdobeClientSecret"]["NoEcho"] is True
    assert "AdobeClientSecret" not in str(TEMPLATE["Outputs"])
    assert "AdobeClientSecret" not in str(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_logs_into_a_group_of_its_own_with_retention(name: str):
    """Without one Lambda makes a group that keeps everything for ever."""
    group = FUNCTIONS[name]["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
    log_group = TEMPLATE["Resources"][group]

    assert log_group["Type"] == "AWS::Logs::LogGroup"
    assert log_group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_not_built(name: str):
    """They carry no dependency of their own, so the Python of the building machine does not matter."""
    assert FUNCTIONS[name]["Metadata"]["SkipBuild"] is True


def test_a_function_behind_the_api_answers_before_api_gateway_gives_up():
    """And its remote calls end before the function does: one try, with a token to mint."""
    timeout = FUNCTIONS["CollectFunction"]["Properties"]["Timeout"]

    assert timeout < API_GATEWAY_SECONDS
    assert sum((EDGE_TIMEOUTS.connect, EDGE_TIMEOUTS.read, IMS_TIMEOUTS.connect, IMS_TIMEOUTS.read)) < timeout


def test_every_caller_needs_a_key():
    """And every key has a plan."""
    auth = TEMPLATE["Resources"]["RelayApi"]["Properties"]["Auth"]

    assert auth["ApiKeyRequired"] is True
    assert {"Throttle", "Quota"} <= set(auth["UsagePlan"])


def test_no_right_is_given_with_a_wildcard():
    """Single actions on single resources, or SAM's policy templates."""
    assert list(wildcards(TEMPLATE["Resources"])) == []


def wildcards(node: Any, name: str = "") -> Any:
    if isinstance(node, dict):
        for member, value in node.items():
            yield from wildcards(value, member)
    elif isinstance(node, list):
        for value in node:
            yield from wildcards(value, name)
    elif name in ("Action", "Resource") and "*" in str(node):
        yield node


def test_the_template_is_clean():
    """`sam validate --lint`."""
    result = subprocess.run(
        [PROJECT / ".venv/bin/sam", "validate", "--lint", "--region", "us-east-1"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stderr
