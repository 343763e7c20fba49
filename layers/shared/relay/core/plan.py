"""The input of an execution in, the runs it asks for out; or what is wrong with it, by the name of the field."""

from collections.abc import Mapping
from typing import Any

from relay.core.report import MAPPING_ID, REQUEST_ID
from relay.core.retry_after import LONGEST as LONGEST_RETRY_AFTER
from relay.core.run import Attempt, Run, take_over

MAX_MAPPINGS = 25
LONGEST_DEADLINE = 18_000  # seconds; more polls of 25 mappings would not fit into the history of an execution
STARTERS = ("schedule", "https", "execution")

_SUBMISSIONS_PER_SECOND = 5
_FIELDS = {"mappingIds", "submitted", "waitSeconds", "deadlineSeconds", "startedBy"}


class InvalidInput(ValueError):
    """The input cannot be planned; the message names the field and holds nothing of the input."""


def plan(content: Any, now: float, usual_deadline: int, first_wait: float) -> tuple[Run, ...]:
    """The runs that `{"mappingIds": ["42", …], "submitted", "waitSeconds", "deadlineSeconds", "startedBy"}` asks for.

    All fields but the first can be missing. `submitted` has the requests that Adobe has taken already, by mapping:
    `{"42": {"requestId": "3520", "adopted": false}}`. The others are submitted after `waitSeconds`, five a second:
    neither Adobe nor the few functions of a new account meet them all at once. Without `deadlineSeconds` the
    `usual_deadline` (seconds) counts. Raises InvalidInput.
    """
    if not isinstance(content, Mapping):
        raise InvalidInput('The input must be an object: {"mappingIds": ["42"]}.')
    if set(content) - _FIELDS:
        raise InvalidInput(f"The input has an unknown field; those known are {', '.join(sorted(_FIELDS))}.")
    mapping_ids = _read_mapping_ids(content.get("mappingIds"))
    submitted = _read_submitted(content.get("submitted", {}), mapping_ids)
    wait = _read_seconds(content, "waitSeconds", 0, 0, int(LONGEST_RETRY_AFTER))
    deadline = _read_seconds(content, "deadlineSeconds", usual_deadline, 1, LONGEST_DEADLINE)
    started_by = content.get("startedBy", "execution")
    if started_by not in STARTERS:
        raise InvalidInput(f"startedBy must be one of {', '.join(STARTERS)}.")
    runs = [
        Run(mapping_id, started_by, int(now), int(now) + deadline, wait_seconds=wait + index // _SUBMISSIONS_PER_SECOND)
        for index, mapping_id in enumerate(mapping_ids)
    ]
    return tuple(
        take_over(run, submitted[run.mapping_id], now, first_wait) if run.mapping_id in submitted else run
        for run in runs
    )


def _read_mapping_ids(value: Any) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_MAPPINGS:
        raise InvalidInput(f'mappingIds must be an array of 1 to {MAX_MAPPINGS} XDM mapping IDs: ["42"].')
    for index, mapping_id in enumerate(value):
        if not isinstance(mapping_id, str) or not MAPPING_ID.fullmatch(mapping_id):
            raise InvalidInput(f"mappingIds[{index}] must be a text of 1 to 39 letters, digits and _.")
    return list(dict.fromkeys(value))


def _read_submitted(value: Any, mapping_ids: list[str]) -> Mapping[str, Attempt]:
    if not isinstance(value, Mapping) or set(value) - set(mapping_ids):
        raise InvalidInput("submitted must be an object from some of the mappingIds to requests.")
    attempts = {}
    for mapping_id, request in value.items():
        if not isinstance(request, Mapping) or set(request) - {"requestId", "adopted"}:
            raise InvalidInput(f'submitted.{mapping_id} must be an object: {{"requestId": "3520"}}.')
        request_id, adopted = request.get("requestId"), request.get("adopted", False)
        if not isinstance(request_id, str) or not REQUEST_ID.fullmatch(request_id):
            raise InvalidInput(f"submitted.{mapping_id}.requestId must be a text of 1 to 40 letters, digits, _ and -.")
        if not isinstance(adopted, bool):
            raise InvalidInput(f"submitted.{mapping_id}.adopted must be true or false.")
        attempts[mapping_id] = Attempt(request_id, adopted)
    return attempts


def _read_seconds(content: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    seconds = content.get(name, default)
    if type(seconds) is not int or not least <= seconds <= most:
        raise InvalidInput(f"{name} must be a whole number from {least} to {most}.")
    return seconds
