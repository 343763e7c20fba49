"""The state TriggerIngest: submissions, as Adobe is asked for them."""

import io
import json
from typing import Any

import pytest

from functions.trigger_ingest.app import handler
from relay.campaign import CampaignClient
from relay.core.run import Run
from relay.core.verdict import Answer
from relay.errors import AdobeError, NoAnswer, OutOfTime, SetupError, Unreachable
from relay.ingest import Ingestor
from tests.support import NOW, Clock, FakeAuthorizer, FakeCampaign, context, measured, report

NEW = Run("42", "schedule", int(NOW), int(NOW) + 14_400).as_json()


def trigger(
    *answers: Answer | AdobeError, run: dict[str, Any] = NEW, authorizer: FakeAuthorizer | None = None
) -> tuple[dict[str, Any], FakeCampaign]:
    campaign = FakeCampaign(list(answers))
    client = CampaignClient(campaign, authorizer or FakeAuthorizer(), Clock())
    ingestor = Ingestor(client, 10, Clock())
    return handler(run, context(), ingestor), campaign


def test_a_submission_is_one_post():
    """Taken: the run goes on with its request id."""
    run, campaign = trigger(report("Success"))

    assert campaign.asked == [("POST", "42", "token-1")]
    assert (run["state"], run["attempts"]) == ("RUNNING", [{"requestId": "3520", "adopted": False}])


def test_adobe_is_given_all_the_time_but_what_the_answer_takes():
    """Of the function's, two seconds."""
    _, campaign = trigger(report("Success"))

    assert campaign.left == [28 - 2]


def test_an_expired_token_is_replaced_once():
    """And the submission is made with the new one."""
    run, campaign = trigger(Answer(401, {}, b""), report("Success"))

    assert campaign.asked == [("POST", "42", "token-1"), ("POST", "42", "token-2")]
    assert run["state"] == "RUNNING"


@pytest.mark.parametrize("status", ["Aborted", "Paused"])
def test_an_answer_that_is_none_to_a_submission_is_in_doubt(status: str):
    """It is asked again."""
    run, _ = trigger(report(status))

    assert (run["state"], run["doubts"], run["attempts"]) == ("PENDING", 1, [])


def test_a_new_token_that_is_refused_is_a_matter_of_setup(capsys: pytest.CaptureFixture[str]):
    """No third one is tried; a person is told."""
    authorizer = FakeAuthorizer()
    run, campaign = trigger(Answer(401, {}, b""), authorizer=authorizer)

    assert len(campaign.asked) == 2
    assert (run["state"], run["doubts"], authorizer.distrusted) == ("PENDING", 1, True)
    assert measured(capsys.readouterr().out) == {"IngestionSubmissions": 1, "SetupErrors": 1, "TokenRefreshes": 1}


@pytest.mark.parametrize(
    ("error", "doubts"),
    [
        pytest.param(Unreachable("connection refused"), 0, id="unreachable"),
        pytest.param(OutOfTime(), 0, id="no time"),
        pytest.param(NoAnswer("no answer in time"), 1, id="no answer"),
        pytest.param(SetupError("TLS certificate not trusted"), 0, id="set-up"),
    ],
)
def test_without_an_answer_it_is_asked_again_later(error: AdobeError, doubts: int):
    """Adobe may have taken what was sent, so that is done a few times only."""
    run, _ = trigger(error)

    assert (run["state"], run["doubts"], run["reason"]) == ("PENDING", doubts, error.reason)


def test_without_a_token_adobe_is_not_asked():
    """IMS is down: the same as Adobe being down."""
    run, campaign = trigger(report("Success"), authorizer=FakeAuthorizer(Unreachable("IMS is busy or down", 30)))

    assert campaign.asked == []
    assert (run["state"], run["waitSeconds"]) == ("PENDING", 30)


def test_when_ims_refuses_the_credentials_a_person_is_told(capsys: pytest.CaptureFixture[str]):
    """Nothing was sent, so nothing is in doubt; it is asked again after a minute."""
    run, campaign = trigger(report("Success"), authorizer=FakeAuthorizer(SetupError("IMS refuses Adobe's credentials")))

    assert campaign.asked == []
    assert (run["state"], run["doubts"], run["waitSeconds"]) == ("PENDING", 0, 60)
    assert measured(capsys.readouterr().out) == {"IngestionSubmissions": 1, "SetupErrors": 1}


def test_past_its_deadline_nothing_is_submitted(capsys: pytest.CaptureFixture[str]):
    """The run has timed out, and that is measured."""
    run, campaign = trigger(report("Success"), run={**NEW, "deadlineAt": int(NOW), "reason": "Adobe answers HTTP 503"})

    assert campaign.asked == []
    assert run["state"] == "TIMED_OUT"
    assert "HTTP 503" in run["reason"]
    assert measured(capsys.readouterr().out) == {"IngestionsTimedOut": 1, "IngestionDuration": 0}


def test_a_run_in_too_much_doubt_is_not_submitted_again():
    """The function may have died each time after Adobe had taken the request; the state machine counts that."""
    run, campaign = trigger(report("Success"), run={**NEW, "doubts": 10})

    assert campaign.asked == []
    assert run["state"] == "FAILED"
    assert "no answer came back" in run["reason"]


def test_a_refusal_is_measured_and_logged_without_adobes_words(logged: io.StringIO, capsys: pytest.CaptureFixture[str]):
    """They are in the output of the execution."""
    run, _ = trigger(report("Failed", info="XDM Mapping ID: 42 is not stopped"))

    (line,) = map(json.loads, logged.getvalue().splitlines())
    assert measured(capsys.readouterr().out)["IngestionsFailed"] == 1
    assert (line["mappingId"], line["state"], line["level"]) == ("42", "FAILED", "WARNING")
    assert "not stopped" not in logged.getvalue()
    assert "not stopped" in run["reason"]
