"""What holds for every state of the ingestion workflow."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from relay.core.plan import LONGEST_DEADLINE
from relay.core.run import ENDS
from tests.support import PROJECT, template

TEXT = (PROJECT / "statemachine/ingest.asl.json").read_text()
MACHINE = json.loads(TEXT)
RESOURCES = template()["Resources"]


def every_state(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from every_state(state["ItemProcessor"])


STATES = dict(every_state(MACHINE))
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
# Of Step Functions itself, and of the services that its tasks call, as AWS's documentation names them.
ERRORS = {
    "States.TaskFailed",
    "States.Timeout",
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "EventBridge.FailedEntry",
    "EventBridge.InternalException",
    "EventBridge.ThrottlingException",
    "SNS.InternalErrorException",
    "SNS.ThrottledException",
}
IN_A_RUN = MACHINE["States"]["IngestMappings"]["ItemProcessor"]["States"]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_timeout_and_retries_by_name_with_jitter(name: str):
    """And a bounded number of them."""
    task = TASKS[name]

    assert 0 < task["TimeoutSeconds"] <= 120
    assert task["Retry"]
    for retry in task["Retry"]:
        assert retry["ErrorEquals"]
        assert set(retry["ErrorEquals"]) <= ERRORS
        assert retry["JitterStrategy"] == "FULL"
        assert retry["MaxAttempts"] <= 6


@pytest.mark.parametrize("name", [name for name in TASKS if name in IN_A_RUN])
def test_no_task_of_a_run_ends_the_other_runs(name: str):
    """What it cannot retry it catches, and keeps the run as it was."""
    catches = TASKS[name]["Catch"]

    assert catches[-1]["ErrorEquals"] == ["States.ALL"]
    assert all("$states.input" in catch["Output"] for catch in catches)


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if "lambda:invoke" in task["Resource"]])
def test_a_state_is_named_as_its_function(name: str):
    """And waits longer than the function can take."""
    function = RESOURCES[f"{name}Function"]["Properties"]

    assert TASKS[name]["Arguments"]["FunctionName"] == f"${{{name}Function}}"
    assert TASKS[name]["TimeoutSeconds"] > function["Timeout"]


def test_a_plan_that_failed_is_made_again_whatever_the_error():
    """Making one has no effect, and without one nothing is announced."""
    (retry,) = TASKS["PlanIngest"]["Retry"]

    assert set(retry["ErrorEquals"]) == {"States.TaskFailed", "States.Timeout"}  # between them, every error of a task


def test_every_substitution_is_made():
    """By the template."""
    made = RESOURCES["IngestStateMachine"]["Properties"]["DefinitionSubstitutions"]

    assert set(re.findall(r"\$\{(\w+)\}", TEXT)) == set(made)


def test_the_machine_ends_after_every_deadline():
    """With an hour for the last calls and announcements; the deadline of the template is one of those."""
    deadline = template()["Parameters"]["IngestDeadline"]

    assert MACHINE["TimeoutSeconds"] == LONGEST_DEADLINE + 3600
    assert deadline["MaxValue"] == LONGEST_DEADLINE


def test_every_state_can_be_reached_and_leads_somewhere():
    """Within its own machine."""
    for machine in (MACHINE, MACHINE["States"]["IngestMappings"]["ItemProcessor"]):
        targets = {machine["StartAt"], *re.findall(r'"(?:Next|Default)": "(\w+)"', json.dumps(machine))}

        assert set(machine["States"]) <= targets
        for state in machine["States"].values():
            assert {"Next", "Default", "End"} & set(state) or state["Type"] in ("Fail", "Succeed")


def test_only_ends_are_announced():
    """The states that a run goes on from are those that Python knows as no ends."""
    goes_on = re.findall(r"'(\w+)'", json.dumps(IN_A_RUN["IsIngestFinished"]["Choices"]))

    assert set(goes_on) == {"PENDING", "RUNNING", "UNKNOWN"}
    assert not ENDS & set(goes_on)
    assert IN_A_RUN["IsIngestFinished"]["Default"] == "AnnounceEnd"


def test_an_end_that_could_not_be_announced_fails_the_execution():
    """And its cause says so, although the ingestion succeeded."""
    (catch,) = IN_A_RUN["AnnounceEnd"]["Catch"]

    assert "'unannounced': true" in catch["Output"]
    assert "unannounced = true" in MACHINE["States"]["IsEveryIngestSucceeded"]["Choices"][0]["Condition"]
    assert "could not be announced" in MACHINE["States"]["IngestFailed"]["Cause"]


def test_a_submission_whose_function_failed_is_in_doubt():
    """Adobe may have taken it before the function died; one that Lambda had no room for was never started."""
    no_room, failed = IN_A_RUN["TriggerIngest"]["Catch"]

    assert no_room["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
    assert "doubts" not in no_room["Output"]
    assert "'doubts': $states.input.doubts + 1" in failed["Output"]
    assert IN_A_RUN["WaitAfterFailure"]["Seconds"] >= 300
