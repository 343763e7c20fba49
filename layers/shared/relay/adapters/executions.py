"""Executions of the ingestion workflow in Step Functions."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from relay.core.deadline import Deadline
from relay.errors import WorkflowError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

SECONDS = 3.0  # that a call takes at most
_LAST_EVENTS = 10  # of a failed execution; the state that made it fail is among them


class Execution(NamedTuple):
    """An execution: RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED, and the ended runs it told of, as JSON."""

    status: str
    runs: list[dict[str, Any]]


class Executions:
    """Those of one state machine."""

    def __init__(self, client: "SFNClient", state_machine_arn: str) -> None:
        self._client = client
        self._arn = state_machine_arn

    def start(self, name: str, content: dict[str, Any], deadline: Deadline) -> bool:
        """Whether an execution with that name and input runs now; not if the name is taken. Raises WorkflowError."""
        _check(deadline)
        try:
            self._client.start_execution(stateMachineArn=self._arn, name=name, input=json.dumps(content))
        except self._client.exceptions.ExecutionAlreadyExists:
            return False
        except (BotoCoreError, ClientError) as error:
            raise WorkflowError("an execution cannot be started") from error
        return True

    def find(self, name: str, deadline: Deadline) -> Execution | None:
        """The execution with that name; None when there is none. Raises WorkflowError."""
        _check(deadline)
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        try:
            found = self._client.describe_execution(executionArn=arn)
            if found["status"] == "FAILED":
                return Execution("FAILED", self._runs_at_the_end(arn, deadline))
            if found["status"] == "SUCCEEDED" and not found.get("output"):  # Step Functions may be late with it
                raise WorkflowError("an execution is not yet told whole")
            return Execution(found["status"], json.loads(found.get("output") or "[]"))
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        except (BotoCoreError, ClientError, ValueError) as error:
            raise WorkflowError("an execution cannot be read") from error

    def _runs_at_the_end(self, arn: str, deadline: Deadline) -> list[dict[str, Any]]:
        """What the Fail state was given: a failed execution has no output."""
        _check(deadline)
        history = self._client.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=_LAST_EVENTS)
        for event in history["events"]:
            if event["type"] == "FailStateEntered":
                content = json.loads(event["stateEnteredEventDetails"]["input"])
                return content if isinstance(content, list) else []
        return []


def _check(deadline: Deadline) -> None:
    if not deadline.fits(SECONDS):
        raise WorkflowError("no time left for Step Functions")
