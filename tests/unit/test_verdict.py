"""What Edge's answer means."""

import json

import pytest

from local.sandbox.catalogue import ERRORS
from relay.core.verdict import Answer, Verdict, judge
from tests.support import NOW, problem

VERDICTS = {
    Verdict.EVENT_REJECTED: "0102 0103 0104 0105 0112 0304 0305 0306 0308",
    Verdict.REQUEST_REFUSED: "0002 0003 0100 0101 0106 0107 0108 0109 0110 0111 0113 0302 0400",
    Verdict.TOKEN_EXPIRED: "0503",
    Verdict.SETUP: "0004 0010 0011 0012 0013 0500 0501 0502 0504 0505 0506",
    Verdict.TRANSIENT: "0000 0200 0201 0202 0203 0205 0300 0307",
    Verdict.UNCERTAIN: "0001",
    Verdict.DELIVERED: "0204 0301 0303",  # with status 200
}
VERDICT_BY_CODE = {code: verdict for verdict, codes in VERDICTS.items() for code in codes.split()}


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize("code", ERRORS)
def test_every_documented_code_has_its_verdict(code: str):
    """Edge's code decides, whatever its title says."""
    judgement = judge(answer(int(code[-3:]), problem(code)), NOW)

    assert judgement.verdict is VERDICT_BY_CODE[code[:4]]
    assert judgement.code == code


# Of the refusals of a whole request, those that one event of it can bring about.
ABOUT_THE_BODY = {"0100", "0101", "0302"}


@pytest.mark.parametrize("code", ERRORS)
def test_a_refusal_is_about_the_body_if_one_event_can_bring_it_about(code: str):
    """All others are about what the events share, or about an event that Edge may name."""
    judgement = judge(answer(int(code[-3:]), problem(code)), NOW)

    assert judgement.is_about_body == (code[:4] in ABOUT_THE_BODY)


def test_every_code_that_is_about_the_body_is_documented():
    """So that the table cannot name one that there is not."""
    assert {code[:4] for code in ERRORS} >= ABOUT_THE_BODY


@pytest.mark.parametrize("judged", [answer(202, problem("0101-400")), answer(400), answer(500)])
def test_without_a_refusal_nothing_is_about_the_body(judged: Answer):
    """Neither what was taken nor what was not understood."""
    assert not judge(judged, NOW).is_about_body


def test_an_unknown_location_hint_is_not_about_the_body():
    """It has no code of Edge's."""
    assert not judge(answer(404), NOW, has_new_hint=True).is_about_body


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (202, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (207, Verdict.DELIVERED),
        (201, Verdict.UNCERTAIN),
        (302, Verdict.UNCERTAIN),
        (400, Verdict.UNCERTAIN),
        (401, Verdict.TOKEN_EXPIRED),
        (403, Verdict.SETUP),
        (404, Verdict.SETUP),
        (408, Verdict.UNCERTAIN),
        (413, Verdict.UNCERTAIN),
        (429, Verdict.TRANSIENT),
        (500, Verdict.UNCERTAIN),
        (502, Verdict.TRANSIENT),
        (503, Verdict.TRANSIENT),
        (504, Verdict.TRANSIENT),
        (599, Verdict.UNCERTAIN),
    ],
)
def test_the_status_decides_where_there_is_no_code(status: int, verdict: Verdict):
    """Every status has a stated fate."""
    assert judge(answer(status), NOW).verdict is verdict


@pytest.mark.parametrize(
    ("status", "verdict"), [(400, Verdict.UNCERTAIN), (401, Verdict.TOKEN_EXPIRED), (503, Verdict.TRANSIENT)]
)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>sorry</html>", id="not JSON"),
        pytest.param(b'{"type": "https://ns.adobe.com/aep/errors/EXEG-0306-', id="cut off"),
        pytest.param(b'{"error_code": "403010", "message": "m"}', id="gateway string"),
        pytest.param(b'{"code": 502, "message": "m"}', id="gateway number"),
        pytest.param(b"[1]", id="not an object"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(problem("9999-400"), id="unknown code"),
        pytest.param(problem("0306-400").replace(b"ns.adobe.com", b"example.com"), id="foreign code"),
    ],
)
def test_a_body_without_a_known_code_changes_nothing(status: int, verdict: Verdict, body: bytes):
    """Adobe's gateways, proxies and cut connections answer in forms of their own."""
    assert judge(answer(status, body), NOW).verdict is verdict


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(207, problem("0000-503"), id="busy"),
        pytest.param(207, problem("0306-400"), id="an event rejected"),
        pytest.param(202, problem("0503-401"), id="token expired"),
        pytest.param(202, b"<html>", id="not JSON"),
        pytest.param(207, b'{"error_code": "403010"}', id="a gateway's error"),
    ],
)
def test_a_2xx_is_delivered_whatever_its_body_says(status: int, body: bytes):
    """Events that were taken are never sent again. (A 200 is what web pages have, too: see below.)"""
    assert judge(answer(status, body), NOW).verdict is Verdict.DELIVERED


@pytest.mark.parametrize(
    ("judged", "unusual"),
    [
        pytest.param(answer(202), False, id="delivered"),
        pytest.param(answer(200, problem("0301-200")), True, id="delivered with a notice"),
        pytest.param(answer(503), True, id="not delivered"),
    ],
)
def test_what_is_not_simply_delivered_is_worth_a_word(judged: Answer, unusual: bool):
    """In the log."""
    assert judge(judged, NOW).is_unusual is unusual


def test_nothing_that_adobe_worded_is_for_the_log():
    """It may quote an identity; codes and counts are."""
    refused = judge(answer(429, problem("0201-503", detail="ada@example.com"), retry_after="7"), NOW)
    taken = judge(answer(200, problem("0301-200", detail="ada@example.com")), NOW)

    assert refused.facts() == {"verdict": "transient", "edgeStatus": 429, "edgeCode": "0201-503", "retryAfter": 7}
    assert taken.facts() == {"verdict": "delivered", "edgeStatus": 200, "edgeCode": "0301-200", "notices": 1}


def test_nested_errors_and_warnings_of_a_207_are_notices():
    """What upstream services complained about is passed on, and is no reason to send again."""
    errors, warnings = [{"type": "e", "status": 503}], [{"type": "w", "status": 200}]
    body = json.dumps({"requestId": "r", "errors": errors, "warnings": warnings}).encode()

    judgement = judge(answer(207, body), NOW)

    assert judgement.verdict is Verdict.DELIVERED
    assert list(judgement.notices) == errors + warnings


def test_ignored_for_lack_of_consent_is_a_notice():
    """0301 comes with 200: delivered, ignored, and worth telling."""
    judgement = judge(answer(200, problem("0301-200")), NOW)

    assert judgement.verdict is Verdict.DELIVERED
    assert [notice["type"][-13:] for notice in judgement.notices] == ["EXEG-0301-200"]


@pytest.mark.parametrize("body", [b'{"errors": 5, "warnings": {"a": 1}}', b'{"errors": ["x", null, 7]}'])
def test_notices_that_are_not_objects_are_left_out(body: bytes):
    """A 207 of an unexpected form is still delivered."""
    assert judge(answer(207, body), NOW).notices == ()


def test_edges_problem_is_kept_without_our_organisation():
    """The report's errors are the caller's business; request id and organisation are ours."""
    report = {"errors": ["x at index 1"], "requestId": "r", "orgId": "o"}

    judgement = judge(answer(422, problem("0104-422", title="t", detail="d", report=report)), NOW)

    assert judgement.problem is not None
    assert (judgement.problem.title, judgement.problem.detail) == ("t", "d")
    assert judgement.problem.report == {"errors": ["x at index 1"]}


def test_a_problem_without_title_and_report_gets_a_title():
    """It is one that clients must be given."""
    body = json.dumps({"type": "https://ns.adobe.com/aep/errors/EXEG-0104-422"}).encode()

    judgement = judge(answer(422, body), NOW)

    assert judgement.problem is not None
    assert (judgement.problem.title, judgement.problem.report) == ("Refused by Adobe", {})


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((code, int(code[-3:])) for code in ("0101-400", "0400-403", "0109-408", "0302-409", "0112-413", "0111-415")),
        ("0104-422", 422),
        ("0100-500", 400),
        ("0501-401", 400),
        ("0201-503", 400),
    ],
)
def test_a_client_gets_the_status_of_edges_code_unless_it_would_mislead(code: str, status: int):
    """A 5xx would make it repeat what cannot work, a 401 is about our token."""
    judgement = judge(answer(int(code[-3:]), problem(code)), NOW)

    assert judgement.problem is not None
    assert judgement.problem.status == status


@pytest.mark.parametrize("member", ["detail", "report", "title"])
@pytest.mark.parametrize("value", [None, 5, [], "text"])
def test_members_of_an_unexpected_kind_do_no_harm(member: str, value: object):
    """detail and report can be missing, and anything can be of another kind."""
    assert judge(answer(400, problem("0306-400", **{member: value})), NOW).verdict is Verdict.EVENT_REJECTED


def test_retry_after_is_read():
    """The header's seconds reach the judgement."""
    assert judge(answer(503, retry_after="7"), NOW).retry_after == 7.0


def test_what_is_logged_holds_nothing_that_adobe_worded():
    """A detail can quote an identity, so no text of Adobe's is among the facts for the log."""
    judgement = judge(answer(400, problem("0305-400", detail="ada@example.com is invalid")), NOW)

    assert "ada@example.com" not in json.dumps(judgement.facts())


@pytest.mark.parametrize("status", [101, 201, 203, 226, 302, 304])
def test_a_refusal_with_a_status_that_is_none_is_not_understood(status: int):
    """A code counts only with a status of 4xx or 5xx, so that no refusal can be told as a success."""
    assert judge(answer(status, problem("0304-400")), NOW).verdict is Verdict.UNCERTAIN


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b'{"error_code": "403010", "message": "m"}'])
def test_a_200_that_no_edge_has_written_is_not_delivered(body: bytes):
    """A web page at a wrong address must not swallow events."""
    assert judge(answer(200, body), NOW).verdict is Verdict.UNCERTAIN


HOSTILE = [None, True, 5, 1e999, [], ["x"], {}, "x" * 2_500, {"eventIndex": True}, {"eventIndex": 10**100}]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: str(value)[:12])
@pytest.mark.parametrize("member", ["type", "status", "title", "detail", "report"])
def test_what_reaches_a_client_is_of_bounded_size_and_of_its_kind(member: str, value: object):
    """Whatever Edge writes into the members of a notice."""
    body = json.dumps({"errors": [{"type": "t", "status": 503, "title": "x", member: value}] * 1_100}).encode()

    notices = judge(answer(207, body), NOW).notices

    text = json.dumps(notices, allow_nan=False)
    assert len(notices) <= 1_000
    assert len(text) < 3_000_000
    assert {type(notice.get("status", 0)) for notice in notices} <= {int}


def test_a_deep_answer_costs_nobody_an_answer():
    """It is read as nothing."""
    deep = b'{"type": "https://ns.adobe.com/aep/errors/EXEG-0304-400", "a": ' + b"[" * 986 + b"]" * 986 + b"}"

    assert json.dumps(judge(answer(202, deep), NOW).notices) is not None
