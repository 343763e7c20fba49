"""What each role may do, in the CloudFormation that SAM makes of the template."""

import re
from typing import Any

import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from tests.support import PROJECT, template

# AWS's own policies, and why they may be attached although they name no single resource.
MANAGED = {
    "AWSLambdaBasicExecutionRole": "writing logs and nothing else; SAM attaches it to every role that it makes",
}


@pytest.fixture(scope="module")
def roles() -> dict[str, Any]:
    """The properties of every role, by its name."""
    source = template()
    for resource in source["Resources"].values():
        for name in ("CodeUri", "ContentUri", "DefinitionUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = "s3://bucket/key"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        made = Translator({}, Parser()).translate(source, {})["Resources"]
    return {name: item["Properties"] for name, item in made.items() if item["Type"] == "AWS::IAM::Role"}


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        statement
        for policy in role.get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_function_workflow_and_schedule_has_a_role_of_its_own(roles: dict[str, Any]):
    """So that none can do what only another one needs."""
    assert len(roles) == len([*(PROJECT / "functions").glob("*/app.py")]) + 2


def test_no_action_is_a_wildcard(roles: dict[str, Any]):
    """Each is one that somebody has named."""
    actions = [action for role in roles.values() for found in statements(role) for action in as_list(found["Action"])]

    assert [action for action in actions if "*" in action] == []


def test_no_resource_is_a_wildcard_without_a_reason(roles: dict[str, Any]):
    """The reason stands behind it in the template."""
    resources = {
        str(resource)
        for role in roles.values()
        for found in statements(role)
        for resource in as_list(found["Resource"])
        if "*" in str(resource)
    }
    text = (PROJECT / "template.yaml").read_text()
    with_reason = re.findall(r"Resource: .*?(\S+\*)\s+# \S", text)

    assert len(resources) == len(with_reason)
    assert [resource for resource in resources if not any(reason in resource for reason in with_reason)] == []


def test_managed_policies_have_a_reason(roles: dict[str, Any]):
    """They name resources of AWS's choice."""
    attached = {arn.rpartition("/")[2] for role in roles.values() for arn in role.get("ManagedPolicyArns", [])}

    assert attached == set(MANAGED)


def test_only_who_asks_adobe_reads_the_secret(roles: dict[str, Any]):
    """Neither the workflow nor its planner."""
    readers = {name for name, role in roles.items() if "secretsmanager:GetSecretValue" in str(statements(role))}

    assert readers == {
        "CollectFunctionRole", "RedeliverRole", "IngestApiFunctionRole", "TriggerIngestFunctionRole",
        "PollIngestFunctionRole",
    }  # fmt: skip
