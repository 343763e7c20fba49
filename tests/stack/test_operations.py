"""What README and docs/operations.md tell callers and operators to do, done."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.process import wait_until
from local.queues import waiting
from local.stack import Stack, client, client_environment
from tests.stack.conftest import Relay
from tests.support import DATASTREAM, PROJECT, SandboxClient, batch

OPERATIONS = (PROJECT / "docs/operations.md").read_text()
README = (PROJECT / "README.md").read_text()


def block(page: str, heading: str, language: str = "sh") -> str:
    """The first block of that language below the heading."""
    found = re.search(rf"^##+ {heading}\n.*?```{language}\n(.*?)```", page, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def run(commands: str, folder: Path, stack: Stack, **variables: str) -> str:
    """What a shell prints that has the tools of the project and the emulator as its AWS."""
    environment = client_environment(stack.aws_endpoint_url, folder) | variables
    environment["PATH"] = f"{PROJECT}/.venv/bin:{environment['PATH']}"
    result = subprocess.run(
        ["bash", "-euc", commands], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def invoke(resource: str, sample: str, stack: Stack) -> str:
    """What `sam remote invoke` prints, written as in the README."""
    command = next(line for line in README.splitlines() if line.startswith("sam remote invoke"))
    command = command.replace("CollectFunction", resource).replace("events/collect.json", sample)
    return run(command, PROJECT, stack, STACK_NAME="relay")


def new_key(stack: Stack, name: str, throttle: dict[str, Any]) -> str:
    """An API key with a usage plan of its own."""
    apigateway = client("apigateway", stack.aws_endpoint_url)
    *_, api_id, stage = stack.api_url.split("/")
    stages = [{"apiId": api_id, "stage": stage}]
    plan = apigateway.create_usage_plan(name=name, apiStages=stages, throttle=throttle)
    key = apigateway.create_api_key(name=name, enabled=True)
    apigateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    return key["value"]


def test_the_commands_for_the_night_show_what_they_say(
    stack: Stack, relay: Relay, sandbox: SandboxClient, tmp_path: Path
):
    """Outputs, refusals, what waits, what failed and why."""
    sandbox.fault(on="collect", status=403)
    relay.post(batch("a"))
    sfn = client("stepfunctions", stack.aws_endpoint_url)
    arn = sfn.start_execution(stateMachineArn=stack.state_machine_arn, input="{}")["executionArn"]
    wait_until(lambda: sfn.describe_execution(executionArn=arn)["status"] == "FAILED", "the execution does not fail")

    commands = block(OPERATIONS, "Before the night")
    commands = commands.replace("aws sqs", 'aws --endpoint-url "$AWS_ENDPOINT_URL" sqs')  # AWS CLI 1 does not heed it
    printed = run(
        f'{commands}\necho "$SCHEDULE_DEAD_LETTERS_URL $API_ID $SECRET_ARN"', tmp_path, stack, STACK_NAME="relay"
    )
    why = block(OPERATIONS, "Why an execution failed")
    cause, told = run(why, tmp_path, stack, EXECUTION_ARN=arn).splitlines()

    assert len(printed.splitlines()[-1].split()) == 3
    assert '"verdict":"setup"' in printed
    assert "ApproximateNumberOfMessagesNotVisible" in printed
    assert arn in printed
    assert cause.startswith("mappingIds must be")
    assert "mappingIds must be" in told
    client("sqs", stack.aws_endpoint_url).purge_queue(QueueUrl=stack.spool_url)  # a matter of set-up waits for minutes


def test_the_dead_letter_tool_says_in_a_line_what_is_missing(stack: Stack, tmp_path: Path):
    """No traceback at night."""
    result = subprocess.run(
        [PROJECT / ".venv/bin/python", "-m", "tools.dead_letters", "list"],
        cwd=PROJECT, env=client_environment(stack.aws_endpoint_url, tmp_path) | {"STACK_NAME": "none"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "STACK_NAME" in result.stderr
    assert "Traceback" not in result.stderr


def test_another_caller_is_added_without_a_deployment(
    stack: Stack, relay: Relay, sandbox: SandboxClient, tmp_path: Path
):
    """By the commands of docs/operations.md; its key works, and can be taken away."""
    *_, api_id, _ = stack.api_url.split("/")
    commands = block(OPERATIONS, "Another caller")
    shut_out = next(line for line in OPERATIONS.splitlines() if "delete-api-key" in line).split("`")[1]

    printed = run(f'{commands}\necho "KEY_ID=$KEY_ID"', tmp_path, stack, API_ID=api_id).split()
    key, key_id = printed[-2], printed[-1].removeprefix("KEY_ID=")
    served = relay.post(batch("a"), x_api_key=key)
    run(shut_out, tmp_path, stack, KEY_ID=key_id)
    refused = relay.post(batch("b"), x_api_key=key)

    assert (served.status_code, refused.status_code) == (202, 403)
    assert sandbox.arrived("a")


def test_a_caller_is_throttled_by_its_own_plan(relay: Relay, sandbox: SandboxClient, stack: Stack):
    """429 with Retry-After; the others are not affected."""
    key = new_key(stack, "throttled", {"rateLimit": 0.01, "burstLimit": 1})

    answers = [relay.post(batch(name), x_api_key=key) for name in "ab"]
    other = relay.post(batch("c"))

    assert [answer.status_code for answer in answers] == [202, 429]
    assert answers[1].json()["type"] == "urn:adobe-relay:throttled"
    assert answers[1].headers["Retry-After"] == "1"
    assert other.status_code == 202
    assert sandbox.arrived("a", "c")


def test_the_readmes_curl_command_honours_the_throttle(
    relay: Relay, sandbox: SandboxClient, stack: Stack, tmp_path: Path
):
    """It waits as long as Retry-After says, and sends the batch again."""
    key = new_key(stack, "patient", {"rateLimit": 1, "burstLimit": 1})
    while relay.post(batch("a"), x_api_key=key).status_code != 429:
        pass

    variables = {"API_URL": stack.api_url, "API_KEY": key, "DATASTREAM_ID": DATASTREAM}
    printed = run(block(README, "Send a batch"), tmp_path, stack, **variables)

    assert re.findall(r"HTTP/1.1 (\d+)", printed) == ["429", "202"]


def test_a_client_secret_is_rotated_without_a_restart_or_a_lost_event(
    stack: Stack, relay: Relay, sandbox: SandboxClient, tmp_path: Path
):
    """By the commands of docs/operations.md, with both secrets valid meanwhile."""
    secrets = client("secretsmanager", stack.aws_endpoint_url)
    (secret,) = (found for found in secrets.list_secrets()["SecretList"] if found["Name"].startswith("relay-"))
    before = secrets.get_secret_value(SecretId=secret["ARN"])["SecretString"]
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/"sandbox-secret"/"rotated-secret"/\' "$1"\n')
    editor.chmod(0o700)
    relay.post(batch("a"))

    sandbox.credentials(client_secrets=["sandbox-secret", "rotated-secret"])
    sandbox.tokens(expire=True)
    relay.post(batch("b"))
    run(block(OPERATIONS, "A new client secret"), tmp_path, stack, SECRET_ARN=secret["ARN"], EDITOR=str(editor))
    sandbox.tokens(expire=True)
    relay.post(batch("c"))
    sandbox.credentials(client_secrets=["rotated-secret"])
    sandbox.tokens(expire=True)
    last = relay.post(batch("d"))

    after = json.loads(secrets.get_secret_value(SecretId=secret["ARN"])["SecretString"])
    arrived = sandbox.arrived("a", "b", "c", "d")
    secrets.put_secret_value(SecretId=secret["ARN"], SecretString=before)
    sandbox.credentials(client_secrets=["sandbox-secret"])
    assert last.status_code == 202
    assert arrived
    assert after == {**json.loads(before), "client_secret": "rotated-secret"}
    assert sandbox.statuses("token").count(400) == 0
    assert not (tmp_path / "credential.json").exists()


@pytest.mark.parametrize(
    ("resource", "sample", "printed"),
    [
        ("CollectFunction", "events/collect.json", '"statusCode": 202'),
        ("RedeliverFunction", "events/redeliver.json", '{"batchItemFailures": []}'),
        ("PlanIngestFunction", "events/plan_ingest.json", '{"runs": [{"mappingId": "42"'),
        ("TriggerIngestFunction", "events/trigger_ingest.json", '"state": "RUNNING"'),
        ("PollIngestFunction", "events/poll_ingest.json", '"polls": 1'),
        ("IngestApiFunction", "events/ingest_api.json", '"statusCode": 200'),
        ("IngestStateMachine", "events/schedule.json", '"state": "SUCCEEDED"'),
    ],
)
def test_the_samples_can_be_invoked(stack: Stack, sandbox: SandboxClient, resource: str, sample: str, printed: str):
    assert printed in invoke(resource, sample, stack).replace("\\", "")


def test_the_sample_of_a_status_call_is_answered_for_the_request_that_the_other_sample_submits(
    stack: Stack, sandbox: SandboxClient, tmp_path: Path
):
    submitted = json.loads(json.loads(invoke("IngestApiFunction", "events/ingest_api.json", stack))["body"])
    sample = (PROJECT / "events/ingest_status.json").read_text()
    (tmp_path / "status.json").write_text(sample.replace("3520", str(submitted["requestId"])))

    answer = json.loads(invoke("IngestApiFunction", str(tmp_path / "status.json"), stack))

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["requestId"] == submitted["requestId"]


def test_a_start_that_the_schedule_could_not_make_is_shown_and_taken_out(stack: Stack, tmp_path: Path):
    """By the commands of docs/operations.md: input and error, then an empty queue."""
    described = client("cloudformation", stack.aws_endpoint_url).describe_stacks(StackName="relay")["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    queue_url = outputs["ScheduleDeadLettersUrl"]
    client("sqs", stack.aws_endpoint_url).send_message(
        QueueUrl=queue_url,
        MessageBody='{"mappingIds":["42"],"startedBy":"schedule"}',
        MessageAttributes={"ERROR_CODE": {"DataType": "String", "StringValue": "ThrottlingException"}},
    )
    commands = block(OPERATIONS, "A start that the schedule could not make")
    commands = commands.replace("aws sqs", 'aws --endpoint-url "$AWS_ENDPOINT_URL" sqs')  # AWS CLI 1 does not heed it

    printed = run(commands, tmp_path, stack, SCHEDULE_DEAD_LETTERS_URL=queue_url)

    assert "mappingIds" in printed
    assert "ThrottlingException" in printed
    assert waiting(queue_url, stack) == 0


def test_a_function_may_do_no_more_than_its_role_allows(stack: Stack):
    """On this machine, too: else no stack test would show a right that is missing."""
    functions = client("lambda", stack.aws_endpoint_url).list_functions()["Functions"]
    (role,) = (function["Role"] for function in functions if "PlanIngest" in function["FunctionName"])
    given = client("sts", stack.aws_endpoint_url).assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    session = boto3.Session(
        given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name="us-east-1"
    )
    sqs = session.client("sqs", endpoint_url=stack.aws_endpoint_url)

    with pytest.raises(ClientError, match="AccessDenied"):
        sqs.send_message(QueueUrl=stack.spool_url, MessageBody="{}")


def test_the_readmes_client_works(stack: Stack, sandbox: SandboxClient, tmp_path: Path):
    """Made from docs/openapi.yaml and used as printed there."""
    (tmp_path / "docs").symlink_to(PROJECT / "docs")
    variables = {"API_URL": stack.api_url, "API_KEY": stack.api_key, "DATASTREAM_ID": DATASTREAM}

    run(block(README, "Make a client"), tmp_path, stack)
    (tmp_path / "example.py").write_text(block(README, "Make a client", "python"))
    printed = run("python example.py", tmp_path, stack, **variables)

    assert printed.startswith("202 Accepted(request_id=")
    assert len(sandbox.events()) == 1


def test_the_readmes_command_starts_an_execution(stack: Stack, sandbox: SandboxClient, tmp_path: Path):
    """With the AWS CLI, as printed there."""
    command = next(line for line in README.splitlines() if line.startswith("aws stepfunctions start-execution"))

    printed = json.loads(run(command, tmp_path, stack, STATE_MACHINE_ARN=stack.state_machine_arn))

    assert ":execution:" in printed["executionArn"]
