"""The state PlanIngest: what an input asks for, and what is wrong with it."""

import json
from typing import Any

import pytest

from functions.plan_ingest.app import handler
from relay.plan import Planner
from tests.support import NOW, PROJECT, Clock, context, measured


def plan(content: Any) -> dict[str, Any]:
    return handler({"input": content}, context(), Planner(14_400, 10, Clock()))


def test_each_mapping_becomes_a_run():
    """Not yet submitted, with the usual deadline."""
    runs = plan({"mappingIds": ["42", "43"]})["runs"]

    assert {run["mappingId"] for run in runs} == {"42", "43"}
    assert {(run["state"], run["startedBy"]) for run in runs} == {("PENDING", "execution")}
    assert {run["deadlineAt"] for run in runs} == {NOW + 14_400}


def test_a_request_that_was_submitted_before_is_running():
    """Only that one."""
    runs = {
        run["mappingId"]: run
        for run in plan({"mappingIds": ["42", "43"], "submitted": {"42": {"requestId": "3520"}}})["runs"]
    }

    assert (runs["42"]["state"], runs["42"]["attempts"]) == ("RUNNING", [{"requestId": "3520", "adopted": False}])
    assert (runs["42"]["waitSeconds"], runs["43"]["state"]) == (10, "PENDING")


def test_a_mapping_that_is_named_twice_has_one_run():
    """Two would follow the same request."""
    assert [run["mappingId"] for run in plan({"mappingIds": ["42", "43", "42"]})["runs"]] == ["42", "43"]


def test_a_first_wait_can_be_given():
    """Adobe has asked for it before."""
    (run,) = plan({"mappingIds": ["42"], "waitSeconds": 60})["runs"]

    assert (run["state"], run["waitSeconds"]) == ("PENDING", 60)


def test_mappings_are_submitted_five_a_second():
    """A new account has room for ten functions at once, and Adobe answers 429."""
    runs = plan({"mappingIds": [str(number) for number in range(12)], "waitSeconds": 2})["runs"]

    assert [run["waitSeconds"] for run in runs] == [2] * 5 + [3] * 5 + [4] * 2


def test_a_deadline_and_who_started_it_can_be_given():
    """In seconds."""
    (run,) = plan({"mappingIds": ["42"], "deadlineSeconds": 1, "startedBy": "schedule"})["runs"]

    assert (run["deadlineAt"], run["startedBy"]) == (NOW + 1, "schedule")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        pytest.param(None, "The input", id="null"),
        pytest.param([], "The input", id="array"),
        pytest.param("42", "The input", id="text"),
        pytest.param({}, "mappingIds", id="nothing"),
        pytest.param({"mappingIds": "42"}, "mappingIds", id="a text"),
        pytest.param({"mappingIds": {"42": 1}}, "mappingIds", id="an object"),
        pytest.param({"mappingIds": []}, "mappingIds", id="none"),
        pytest.param({"mappingIds": [str(n) for n in range(26)]}, "mappingIds", id="26"),
        pytest.param({"mappingIds": ["42", 43]}, "mappingIds[1]", id="a number"),
        pytest.param({"mappingIds": [["42"]]}, "mappingIds[0]", id="nested"),
        pytest.param({"mappingIds": [""]}, "mappingIds[0]", id="an empty one"),
        pytest.param({"mappingIds": ["4/2"]}, "mappingIds[0]", id="a slash"),
        pytest.param({"mappingIds": ["42\n"]}, "mappingIds[0]", id="a line end"),
        pytest.param({"mappingIds": ["٤٢"]}, "mappingIds[0]", id="other digits"),
        pytest.param({"mappingIds": ["4" * 40]}, "mappingIds[0]", id="too long"),
        pytest.param({"mappingIds": ["42"], "mappingids": ["43"]}, "The input has an unknown field", id="unknown"),
        pytest.param({"mappingIds": ["42"], "submitted": {"43": "1"}}, "submitted", id="submitted another"),
        pytest.param({"mappingIds": ["42"], "submitted": ["1"]}, "submitted", id="submitted an array"),
        pytest.param(
            {"mappingIds": ["42"], "submitted": {"42": {"requestId": "1"}, "43": {"requestId": "2"}}},
            "submitted",
            id="submitted one too many",
        ),
        pytest.param(
            {"mappingIds": ["42"], "submitted": {"42": {"requestId": "1", "adopt": True}}},
            "submitted.42",
            id="submitted with an unknown field",
        ),
        pytest.param(
            {"mappingIds": ["42"], "submitted": {"42": {"requestId": "../1"}}},
            "submitted.42.requestId",
            id="submitted a path",
        ),
        pytest.param(
            {"mappingIds": ["42"], "submitted": {"42": {"requestId": 1}}},
            "submitted.42.requestId",
            id="submitted a number",
        ),
        pytest.param({"mappingIds": ["42"], "submitted": {"42": "1"}}, "submitted.42", id="submitted a text"),
        pytest.param(
            {"mappingIds": ["42"], "submitted": {"42": {"requestId": "1", "adopted": 1}}},
            "submitted.42.adopted",
            id="adopted a number",
        ),
        pytest.param({"mappingIds": ["42"], "waitSeconds": 901}, "waitSeconds", id="too long a wait"),
        pytest.param({"mappingIds": ["42"], "waitSeconds": -1}, "waitSeconds", id="a negative wait"),
        pytest.param({"mappingIds": ["42"], "submitted": None}, "submitted", id="submitted null"),
        pytest.param({"mappingIds": ["42"], "deadlineSeconds": 0}, "deadlineSeconds", id="no time"),
        pytest.param({"mappingIds": ["42"], "deadlineSeconds": 21_601}, "deadlineSeconds", id="too much time"),
        pytest.param({"mappingIds": ["42"], "deadlineSeconds": True}, "deadlineSeconds", id="time a boolean"),
        pytest.param({"mappingIds": ["42"], "deadlineSeconds": 1.5}, "deadlineSeconds", id="time a fraction"),
        pytest.param({"mappingIds": ["42"], "startedBy": "me"}, "startedBy", id="a starter"),
        pytest.param({"mappingIds": ["42"], "startedBy": ["https"]}, "startedBy", id="a starter in an array"),
    ],
)
def test_a_wrong_input_is_a_sentence_that_names_the_field(content: Any, field: str):
    """And no run at all."""
    planned = plan(content)

    assert set(planned) == {"problem"}
    assert planned["problem"].startswith(field)


def test_what_was_started_is_measured(capsys: pytest.CaptureFixture[str]):
    """By mapping."""
    plan({"mappingIds": ["42", "43"]})

    assert measured(capsys.readouterr().out) == {"IngestionsStarted": 2}


def test_the_sample_is_what_the_state_machine_hands_over():
    """events/plan_ingest.json."""
    sample = json.loads((PROJECT / "events/plan_ingest.json").read_text())

    assert "runs" in plan(sample["input"])
