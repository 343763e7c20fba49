"""The state PollIngest: how a request stands."""

import io
import json
from typing import Any

import pytest

from functions.poll_ingest.app import handler
from relay.campaign import CampaignClient
from relay.core.run import Attempt, Run
from relay.core.verdict import Answer
from relay.errors import AdobeError, NoAnswer, OutOfTime
from relay.ingest import Ingestor
from tests.support import NOW, Clock, FakeAuthorizer, FakeCampaign, context, measured, report

RUN = Run("42", "schedule", int(NOW) - 90, int(NOW) + 14_400, "RUNNING", (Attempt("3520", False),))

TRIED_THRICE = RUN._replace(attempts=(Attempt("3520", False),) * 3)


def poll(*answers: Answer | AdobeError, run: Run = RUN) -> tuple[dict[str, Any], FakeCampaign]:
    campaign = FakeCampaign(list(answers))
    ingestor = Ingestor(CampaignClient(campaign, FakeAuthorizer(), Clock()), 10, Clock())
    return handler(run.as_json(), context(), ingestor), campaign


def test_the_last_request_is_asked_after():
    """After an abort that is the new one."""
    run = RUN._replace(attempts=(Attempt("3519", False), Attempt("3520", True)))
    after, campaign = poll(report("In Progress"), run=run)

    assert campaign.asked == [("GET", "42", "3520", "token-1")]
    assert after["state"] == "RUNNING"


def test_adobe_is_given_all_the_time_but_what_the_answer_takes():
    """Of the function's, two seconds."""
    _, campaign = poll(report("In Progress"))

    assert campaign.left == [28 - 2]


def test_a_success_of_the_schedule_is_measured(capsys: pytest.CaptureFixture[str]):
    """With records, polls and duration; the alarm on silence looks at the last."""
    run, _ = poll(report("Success", numRecords=15))

    assert run["state"] == "SUCCEEDED"
    assert measured(capsys.readouterr().out) == {
        "IngestionsSucceeded": 1,
        "ScheduledIngestionsSucceeded": 1,
        "RecordsIngested": 15,
        "IngestionPolls": 1,
        "IngestionDuration": 90,
    }


@pytest.mark.parametrize("started_by", ["https", "execution"])
def test_no_other_success_silences_the_schedules_alarm(capsys: pytest.CaptureFixture[str], started_by: str):
    """It is about the schedule."""
    poll(report("Success"), run=RUN._replace(started_by=started_by))

    assert "ScheduledIngestionsSucceeded" not in measured(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("answer", "run", "metric"),
    [
        pytest.param(report("Failed"), RUN, "IngestionsFailed", id="failed"),
        pytest.param(report("Aborted"), TRIED_THRICE, "IngestionsAborted", id="aborted"),
        pytest.param(report("In Progress"), RUN._replace(deadline_at=int(NOW)), "IngestionsTimedOut", id="timed out"),
    ],
)
def test_every_other_end_is_measured(capsys: pytest.CaptureFixture[str], answer: Answer, run: Run, metric: str):
    """Under its own name, and never as a success."""
    poll(answer, run=run)

    expected = {metric: 1, "IngestionPolls": 1, "IngestionDuration": 90}
    assert measured(capsys.readouterr().out) == expected


def test_unknown_statuses_are_measured(capsys: pytest.CaptureFixture[str]):
    """At the end of the run."""
    poll(report("Success"), run=RUN._replace(unknown_statuses=2))

    assert measured(capsys.readouterr().out)["UnknownIngestionStatuses"] == 2


@pytest.mark.parametrize("error", [NoAnswer("no answer in time, or connection lost"), OutOfTime()], ids=repr)
def test_no_answer_is_no_end(error: AdobeError):
    """It is asked again."""
    run, _ = poll(error)

    assert (run["state"], run["polls"], run["reason"]) == ("RUNNING", 1, error.reason)


def test_adobes_words_do_not_reach_the_log(logged: io.StringIO):
    """They are for the history, the event and the message."""
    poll(report("Failed", info="Mapping Id: 42. ACP-880056 of ada@example.com"))

    (line,) = map(json.loads, logged.getvalue().splitlines())
    assert (line["requestIds"], line["code"]) == (["3520"], "ACP-880056")
    assert "ada@example.com" not in logged.getvalue()


@pytest.mark.parametrize(
    ("answer", "run", "facts"),
    [
        pytest.param(report("In Progress"), RUN, ("INFO", "RUNNING", 10, None, None), id="running"),
        pytest.param(report("Success"), RUN, ("INFO", "SUCCEEDED", None, None, None), id="succeeded"),
        pytest.param(report("Paused"), RUN, ("WARNING", "UNKNOWN", 10, None, None), id="unknown status"),
        pytest.param(
            Answer(500, {}, b"ada@example.com"),
            RUN,
            ("WARNING", "RUNNING", 10, "uncertain", "Adobe answers HTTP 500"),
            id="trouble",
        ),
        pytest.param(
            report("In Progress"),
            RUN._replace(deadline_at=int(NOW)),
            ("WARNING", "TIMED_OUT", None, None, "No end was told within 90 seconds."),
            id="timed out",
        ),
    ],
)
def test_where_a_run_stands_is_logged(logged: io.StringIO, answer: Answer, run: Run, facts: tuple[Any, ...]):
    """One line, a warning if a person may have to look; why, in words of ours."""
    poll(answer, run=run)

    (line,) = map(json.loads, logged.getvalue().splitlines())
    assert tuple(line.get(name) for name in ("level", "state", "waitSeconds", "verdict", "reason")) == facts
    assert "ada@example.com" not in logged.getvalue()
