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


RESOURCES = template()["Resources"]
ACCOUNT = {"StringNotEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
PLAIN_HTTP = {"Bool": {"aws:SecureTransport": "false"}}


def of_type(name: str) -> set[str]:
    return {resource for resource, item in RESOURCES.items() if item["Type"] == name}


@pytest.mark.parametrize(
    ("policy", "resources", "kind"),
    [("QueuePolicy", "Queues", "AWS::SQS::Queue"), ("AlarmTopicPolicy", "Topics", "AWS::SNS::Topic")],
)
def test_queues_and_topics_are_for_this_account_over_tls(policy: str, resources: str, kind: str):
    """All of them, whatever else their policies may one day allow."""
    properties = RESOURCES[policy]["Properties"]
    denied = [found for found in properties["PolicyDocument"]["Statement"] if found["Effect"] == "Deny"]

    assert {reference["Ref"] for reference in properties[resources]} == of_type(kind)
    assert {found["Principal"] for found in denied} == {"*"}
    assert PLAIN_HTTP in [found["Condition"] for found in denied]
    others = [found["Condition"] for found in denied if ACCOUNT.items() <= found["Condition"].items()]
    assert others in ([ACCOUNT], [{**ACCOUNT, "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}])


def test_nothing_is_allowed_to_everybody():
    """Who is allowed something by a policy of a resource is a service of AWS's, for this account."""
    allowed = [
        found
        for item in RESOURCES.values()
        for found in item.get("Properties", {}).get("PolicyDocument", {}).get("Statement", [])
        if found["Effect"] == "Allow"
    ]

    assert [found["Principal"] for found in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]
    assert [found["Condition"] for found in allowed] == [
        {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    ]


def test_what_is_kept_is_encrypted():
    """Queues and table; Secrets Manager encrypts by itself, with a key that is for this account only."""
    assert all(RESOURCES[name]["Properties"]["SqsManagedSseEnabled"] is True for name in of_type("AWS::SQS::Queue"))
    assert RESOURCES["Table"]["Properties"]["SSESpecification"] == {"SSEEnabled": True}
    assert "KmsKeyId" not in RESOURCES["AdobeCredentials"]["Properties"]


def test_only_what_the_template_calls_calls_a_function(roles: dict[str, Any]):
    """API Gateway by its own permission, the workflow by its role; nobody else."""
    may_invoke = {name for name, role in roles.items() if "lambda:InvokeFunction" in str(statements(role))}

    assert may_invoke == {"IngestStateMachineRole"}
