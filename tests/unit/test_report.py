"""What Campaign's answers mean."""

import json
from typing import Any

import pytest

from relay.core.report import Report, Status, Trouble, read_answer
from relay.core.verdict import Answer, Verdict
from tests.support import NOW, report


def read(content: Any, status: int = 200, **headers: str) -> Report | Trouble:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_answer(Answer(status, headers, body), NOW)


@pytest.mark.parametrize("status", [200, 202, 400, 404, 500])
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Success", Status.SUCCESS),
        ("In Progress", Status.IN_PROGRESS),
        ("Failed", Status.FAILED),
        ("Aborted", Status.ABORTED),
    ],
)
def test_the_bodys_status_decides(status: int, word: str, expected: Status):
    """Whatever the HTTP status: Adobe leaves that open."""
    outcome = read_answer(report(word, status), NOW)

    assert isinstance(outcome, Report)
    assert outcome.status is expected


def test_all_five_fields_and_the_code_are_read():
    """The request id as text, since the numbers of a state machine are floating-point."""
    info = "Mapping Id: 42. ACP-880096 Sync Job failed to upload. Please check the error in the Platform UI."
    content = {"batchId": "01ABC", "info": info, "numRecords": 0, "requestId": 9007199254740993, "status": "Failed"}

    assert read(content) == Report(Status.FAILED, "9007199254740993", info, "01ABC", 0, "ACP-880096")


@pytest.mark.parametrize("word", ["", "success", "Paused", "Success "])
def test_a_status_that_is_not_documented_is_unknown(word: str):
    """It never passes for an end."""
    assert read_answer(report(word), NOW).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("content", "status", "verdict"),
    [
        pytest.param({"error_code": "401013", "message": "m"}, 401, Verdict.TOKEN_EXPIRED, id="401"),
        pytest.param({"error_code": "403023", "message": "m"}, 403, Verdict.SETUP, id="error_code"),
        pytest.param(b"RST-360011 An error has occurred", 404, Verdict.SETUP, id="RST 404"),
        pytest.param(b"RST-360011 An error has occurred", 500, Verdict.UNCERTAIN, id="RST 500"),
        pytest.param({"code": 502, "message": "Oops"}, 502, Verdict.UNCERTAIN, id="code"),
        pytest.param({"error_code": "429050"}, 429, Verdict.TRANSIENT, id="429"),
        pytest.param(b"", 503, Verdict.TRANSIENT, id="503"),
        pytest.param(b"", 504, Verdict.UNCERTAIN, id="504"),
        pytest.param(b"", 200, Verdict.UNCERTAIN, id="empty"),
        pytest.param(b"<html>", 200, Verdict.UNCERTAIN, id="not JSON"),
        pytest.param(b"[" * 100_000, 200, Verdict.UNCERTAIN, id="deep nesting"),
        pytest.param(b'{"status": 1%s}' % (b"0" * 5000), 200, Verdict.UNCERTAIN, id="a number of 5,000 digits"),
        pytest.param([], 200, Verdict.UNCERTAIN, id="array"),
        pytest.param({"status": "Success"}, 200, Verdict.UNCERTAIN, id="no info"),
        pytest.param({"status": True, "info": "i"}, 200, Verdict.UNCERTAIN, id="status no text"),
        pytest.param({"status": "error", "info": "i"}, 401, Verdict.TOKEN_EXPIRED, id="unknown status with 401"),
        pytest.param(b"", 302, Verdict.UNCERTAIN, id="redirect"),
    ],
)
def test_what_is_no_answer_of_campaigns_is_trouble(content: Any, status: int, verdict: Verdict):
    """Passing, for a person, or not to be understood."""
    outcome = read(content, status)

    assert isinstance(outcome, Trouble)
    assert (outcome.verdict, outcome.http_status) == (verdict, status)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"error_code": "403023", "message": "secret"}, "Adobe answers HTTP 403 403023"),
        ({"code": 502, "message": "secret"}, "Adobe answers HTTP 403 502"),
        (b"RST-360011 secret", "Adobe answers HTTP 403 RST-360011"),
        ({"error_code": "your token is secret"}, "Adobe answers HTTP 403"),
        (b"secret", "Adobe answers HTTP 403"),
    ],
)
def test_of_an_error_only_its_code_is_told(content: Any, reason: str):
    """Its message could quote what we sent."""
    assert read(content, 403).reason == reason


def test_retry_after_is_read():
    """In seconds."""
    assert read(b"", 429, **{"retry-after": "60"}).retry_after == 60


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3520, "3520"),
        ("3520", "3520"),
        ("5f0c3c5e-0000", "5f0c3c5e-0000"),
        (0, ""),
        (-1, ""),
        (True, ""),
        (3520.0, "3520"),
        (3520.5, ""),
        (None, ""),
        ("../3520", ""),
        ("3520\n", ""),
        ("1" * 41, ""),
        ([3520], ""),
    ],
)
def test_a_request_id_can_be_part_of_a_path_or_is_none(given: Any, expected: str):
    """Also of the name of an execution."""
    assert read_answer(report("Success", requestId=given), NOW).request_id == expected


@pytest.mark.parametrize(("given", "expected"), [(15, 15), (-1, 0), (True, 0), ("15", 0), (1.5, 0), (10**30, 0)])
def test_records_are_a_count(given: Any, expected: int):
    """Or 0."""
    assert read_answer(report("Success", numRecords=given), NOW).num_records == expected


def test_adobes_words_are_bounded_and_printable():
    """They go into messages, events and the history of the execution."""
    info = read_answer(report("Failed", info="a\u0000\ud800\n" + "x" * 10_000), NOW).info

    assert info == "a???" + "x" * 496
