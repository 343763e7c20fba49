"""What holds for every resource of the template, the ones still to come included."""

import re
import subprocess
from typing import Any

import pytest

from relay.ingest_api import WORKFLOW_SECONDS
from relay.wiring import CAMPAIGN_TIMEOUTS, EDGE_TIMEOUTS, IMS_TIMEOUTS
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
        ("https://server.adobedc.net@evil.example", False),
        ("https://server.adobedc.net\\evil.example", False),
        ("https://server.adobedc.net\n", False),
    ],
)
@pytest.mark.parametrize("name", ["EdgeUrl", "ImsUrl", "CampaignUrl"])
def test_credentials_leave_this_machine_over_https_only(name: str, url: str, allowed: bool):
    """Plain http is for the loopback interface."""
    assert bool(re.fullmatch(PARAMETERS[name]["AllowedPattern"].strip("^$"), url)) == allowed


@pytest.mark.parametrize(
    ("value", "allowed"), [("", True), ("a", True), ("a, b:dev", True), (" ", False), (",", False), ("a,,b", False)]
)
def test_an_allow_list_of_nothing_is_refused(value: str, allowed: bool):
    """Blanks and commas only would read as none, and none allows all."""
    assert bool(re.fullmatch(PARAMETERS["AllowedDatastreams"]["AllowedPattern"], value)) == allowed


def test_every_function_has_an_alarm_for_its_errors():
    """Nobody reads logs without a reason."""
    watched = {alarm["Dimensions"][0]["Value"]["Ref"] for alarm in ALARMS.values() if alarm["MetricName"] == "Errors"}

    assert watched == set(FUNCTIONS)


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("", True),
        ("42", True),
        ("42,A_1", True),
        ("42, 43", False),
        ("4/2", False),
        ("42,", False),
        (",".join("4" * 25), True),
        (",".join("4" * 26), False),
    ],
)
def test_the_schedules_mappings_are_ids_with_commas(value: str, allowed: bool):
    """1 to 25, or none."""
    assert bool(re.fullmatch(PARAMETERS["ScheduleMappingIds"]["AllowedPattern"], value)) == allowed


def test_a_schedule_is_off_until_somebody_turns_it_on():
    """And then needs mappings and an organization."""
    rule = TEMPLATE["Rules"]["ScheduleNeedsMappings"]

    assert PARAMETERS["ScheduleState"]["Default"] == "DISABLED"
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "ScheduleState"}, "ENABLED"]}
    assert all(name in str(rule["Assertions"]) for name in ("ScheduleMappingIds", "CampaignOrganization"))


def test_silence_of_the_schedule_is_an_alarm_after_as_many_hours_as_were_chosen():
    """All of them without a success, and no data counts as none."""
    alarm = TEMPLATE["Resources"]["NoIngestSucceededAlarm"]["Properties"]

    assert (alarm["MetricName"], alarm["Period"]) == ("ScheduledIngestionsSucceeded", 3600)
    assert alarm["EvaluationPeriods"] == {"Ref": "ScheduleSuccessHours"}
    assert "DatapointsToAlarm" not in alarm
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["TreatMissingData"] == "breaching"


def test_the_schedule_is_all_parameters_and_loses_no_start():
    """Expression, time zone, mappings and state; window, retries, and a queue for what fails all the same."""
    machine = TEMPLATE["Resources"]["IngestStateMachine"]["Properties"]
    schedule = machine["Events"]["Schedule"]["Properties"]

    for name in ("ScheduleExpression", "ScheduleTimezone", "ScheduleMappingIds", "ScheduleState"):
        assert {"Ref": name} in references(schedule)
    assert schedule["FlexibleTimeWindow"]["Mode"] == "FLEXIBLE"
    assert schedule["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert schedule["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["ScheduleDeadLetters", "Arn"]}}


NAMES = ("Name", "LogGroupName", "QueueName", "TableName", "TopicName", "FunctionName", "StateMachineName")


def test_a_stack_is_not_in_the_way_of_another_one():
    """Two of them, one for tests, say: what has a name of its own has the stack's in it."""
    properties = [resource.get("Properties", {}) for resource in TEMPLATE["Resources"].values()]
    properties += [event["Properties"] for found in properties for event in found.get("Events", {}).values()]
    named = [found[name] for found in properties for name in NAMES if name in found]

    assert len(named) > len(FUNCTIONS)
    assert [value for value in named if "${AWS::StackName}" not in str(value)] == []


def references(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [node] * ("Ref" in node) + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


def test_an_update_replaces_the_reader_of_messages_before_their_writer():
    """Or the former redeliver function would meet messages that it cannot read."""
    assert TEMPLATE["Resources"]["CollectFunction"]["DependsOn"] == "RedeliverFunction"


@pytest.mark.parametrize("name", ["Spool", "DeadLetters", "ScheduleDeadLetters"])
def test_queues_are_encrypted_and_keep_fourteen_days(name: str):
    """As long as SQS keeps anything."""
    queue = TEMPLATE["Resources"][name]["Properties"]

    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize("name", ["Spool", "DeadLetters"])
def test_events_outlive_the_stack(name: str):
    """Who deletes or replaces it may not know that events are waiting."""
    queue = TEMPLATE["Resources"][name]

    assert (queue["DeletionPolicy"], queue["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_redeliver_function_may_feed_its_own_queue():
    """AWS otherwise stops it after some rounds, and its messages end as dead letters without a reason."""
    assert TEMPLATE["Resources"]["RedeliverFunction"]["Properties"]["RecursiveLoop"] == "Allow"


def test_the_spool_hides_a_message_for_six_times_the_functions_timeout_and_the_longest_window():
    """So that SQS does not hand it out again while it is collected or tried, as AWS advises."""
    spool = TEMPLATE["Resources"]["Spool"]["Properties"]
    function = FUNCTIONS["RedeliverFunction"]["Properties"]
    window = function["Events"]["Spooled"]["Properties"]["MaximumBatchingWindowInSeconds"]

    assert window == {"Ref": "RedeliverWindow"}
    assert spool["VisibilityTimeout"] >= 6 * function["Timeout"] + PARAMETERS["RedeliverWindow"]["MaxValue"]
    assert spool["RedrivePolicy"]["maxReceiveCount"] == 1000


def test_the_operator_says_how_much_is_redelivered_at_once():
    """Messages of a round, functions, and what they may use of Adobe's quota together."""
    function = FUNCTIONS["RedeliverFunction"]["Properties"]
    spooled = function["Events"]["Spooled"]["Properties"]
    variables = function["Environment"]["Variables"]

    assert spooled["BatchSize"] == {"Ref": "RedeliverBatchSize"}
    assert spooled["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert spooled["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "RedeliverConcurrency"}}
    assert variables["REDELIVER_CONCURRENCY"] == {"Ref": "RedeliverConcurrency"}
    assert variables["REDELIVER_UNITS_PER_SECOND"] == {"Ref": "RedeliverUnitsPerSecond"}


@pytest.mark.parametrize(("name", "least", "most"), [("RedeliverBatchSize", 1, 10_000), ("RedeliverWindow", 1, 300)])
def test_lambda_takes_whatever_round_the_operator_chooses(name: str, least: int, most: int):
    """More than ten messages a round need a window of a second at least."""
    assert least <= PARAMETERS[name]["MinValue"] <= PARAMETERS[name]["Default"] <= PARAMETERS[name]["MaxValue"] <= most


ALARMS = {name: item["Properties"] for name, item in TEMPLATE["Resources"].items() if "Alarm" in item["Type"]}


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_tells_somebody_what_happened(name: str):
    """Through the topic; silence of a metric is no alarm, but for the one that is about silence."""
    alarm = ALARMS[name]

    assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    assert alarm["AlarmDescription"].endswith(".")
    silence = name == "NoIngestSucceededAlarm"
    assert alarm["TreatMissingData"] == ("breaching" if silence else "notBreaching")
    assert alarm["ComparisonOperator"] == ("LessThanThreshold" if silence else "GreaterThanThreshold")


def test_what_must_not_go_unnoticed_has_an_alarm():
    """Dead letters and their age, old or untried events, set-up, failing functions and ingestions, an idle schedule."""
    watched = {(alarm["MetricName"], alarm["Threshold"]) for alarm in ALARMS.values()}

    assert watched == {
        ("ApproximateNumberOfMessagesVisible", 0),
        ("ApproximateAgeOfOldestMessage", 3600),
        ("ApproximateAgeOfOldestMessage", 864_000),
        ("SpoolAge", 3600),
        ("SpoolAge", 864_000),
        ("SetupErrors", 0),
        ("Errors", 0),
        ("Throttles", 0),
        ("InternalErrors", 0),
        ("ExecutionsFailed", 0),
        ("ExecutionsTimedOut", 0),
        ("ScheduledIngestionsSucceeded", 1),
    }


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


@pytest.mark.parametrize("name", ["CollectFunction", "IngestApiFunction"])
def test_a_function_behind_the_api_answers_before_api_gateway_gives_up(name: str):
    """And its remote calls end before the function does: one try, with a token to mint."""
    timeout = FUNCTIONS[name]["Properties"]["Timeout"]

    assert timeout < API_GATEWAY_SECONDS
    assert sum((EDGE_TIMEOUTS.connect, EDGE_TIMEOUTS.read, IMS_TIMEOUTS.connect, IMS_TIMEOUTS.read)) < timeout
    assert 5 <= WORKFLOW_SECONDS < timeout / 2  # for four calls of AWS


@pytest.mark.parametrize("name", ["TriggerIngestFunction", "PollIngestFunction"])
def test_a_function_of_the_workflow_outlasts_adobes_gateway(name: str):
    """Which gives up after a minute; before that a submission is in doubt for nothing."""
    timeout = FUNCTIONS[name]["Properties"]["Timeout"]

    assert CAMPAIGN_TIMEOUTS.read > 60
    assert sum((CAMPAIGN_TIMEOUTS.connect, CAMPAIGN_TIMEOUTS.read, IMS_TIMEOUTS.connect, IMS_TIMEOUTS.read)) < timeout


def test_every_caller_needs_a_key():
    """And every key has a plan."""
    auth = TEMPLATE["Resources"]["RelayApi"]["Properties"]["Auth"]

    assert auth["ApiKeyRequired"] is True
    assert {"Throttle", "Quota"} <= set(auth["UsagePlan"])


def test_the_template_is_clean():
    """`sam validate --lint`."""
    result = subprocess.run(
        [PROJECT / ".venv/bin/sam", "validate", "--lint", "--region", "us-east-1"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stderr
