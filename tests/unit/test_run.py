"""What each answer makes of a run of an ingestion."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.plan import LONGEST_DEADLINE, MAX_MAPPINGS
from relay.core.report import Report, Status, Trouble
from relay.core.run import ENDS, LONGEST_WAIT, MAX_ATTEMPTS, MAX_DOUBTS, Attempt, Run, polled, submitted
from relay.core.verdict import Verdict
from tests.support import NOW, PROJECT

START = int(NOW)
NEW = Run("42", "execution", START, START + 14_400)
RUNNING = NEW._replace(state="RUNNING", attempts=(Attempt("3520", adopted=False),))
BUSY = Trouble(Verdict.TRANSIENT, "Adobe answers HTTP 503", 503)
SETUP = Trouble(Verdict.SETUP, "Adobe answers HTTP 403", 403)
UNCERTAIN = Trouble(Verdict.UNCERTAIN, "Adobe answers HTTP 500", 500)

MACHINE = json.loads((PROJECT / "statemachine/ingest.asl.json").read_text())
STATES = MACHINE["States"]["IngestMappings"]["ItemProcessor"]["States"]


def tries(task: str) -> int:
    """How often the state machine calls the function for one step at most."""
    return 1 + sum(retry["MaxAttempts"] for retry in STATES[task]["Retry"])


def post(run: Run, outcome: Report | Trouble, now: float = NOW) -> Run:
    return submitted(run, outcome, now, 10)


def get(run: Run, outcome: Report | Trouble, now: float = NOW) -> Run:
    return polled(run, outcome, now, 10)


def told(status: Status, request_id: str = "3520", **members: Any) -> Report:
    return Report(status, request_id, **members)


@pytest.mark.parametrize(("status", "adopted"), [(Status.SUCCESS, False), (Status.IN_PROGRESS, True)])
def test_a_request_that_adobe_took_is_running(status: Status, adopted: bool):
    """ "Success" of a submission is no end, and "In Progress" is adopted."""
    run = post(NEW, told(status))

    assert (run.state, run.attempts, run.wait_seconds) == ("RUNNING", (Attempt("3520", adopted),), 10)


@pytest.mark.parametrize(
    ("info", "advice"),
    [
        ("Unable to submit data ingestion request, XDM Mapping ID: 42 is not stopped", "Stop the mapping"),
        ("Unable to submit data ingestion request, XDM Mapping ID: 42 is not published", "Publish the mapping"),
        ("Unable to submit", "See the mapping's jobs"),
    ],
)
def test_a_refusal_ends_at_once_with_what_to_do(info: str, advice: str):
    """For the operator."""
    run = post(NEW, told(Status.FAILED, "", info=info))

    assert run.state == "FAILED"
    assert info in run.reason
    assert run.advice.startswith(advice)


@pytest.mark.parametrize("trouble", [SETUP, UNCERTAIN], ids=["setup", "uncertain"])
def test_a_submission_in_doubt_is_repeated_a_few_times(trouble: Trouble):
    """Adobe would say "In Progress" if it had taken it."""
    run, states = NEW, []
    for _ in range(MAX_DOUBTS):
        run = post(run, trouble)
        states.append(run.state)

    assert states == ["PENDING"] * (MAX_DOUBTS - 1) + ["FAILED"]
    assert trouble.reason in run.reason
    assert "credentials" in run.advice if trouble is SETUP else "still be at work" in run.advice


def test_a_run_that_is_given_up_is_not_told_in_words_of_before():
    """An abort's info says to submit a new request, which after doubts could be a second one."""
    run = get(RUNNING, told(Status.ABORTED, info="Please submit a new request"))
    for _ in range(MAX_DOUBTS):
        run = post(run, UNCERTAIN)

    assert (run.state, run.info) == ("FAILED", "")
    assert "still be at work" in run.advice


def test_doubts_are_over_when_adobe_takes_a_request():
    """A resubmission has as many tries as the first one."""
    run = post(post(NEW, UNCERTAIN), told(Status.SUCCESS))

    assert run.doubts == 0


def test_what_never_reached_adobe_is_no_doubt():
    """IMS refuses us: nothing can have been taken, and an operator has time until the deadline."""
    refused = Trouble(Verdict.SETUP, "IMS refuses Adobe's credentials: invalid_client")
    run = NEW
    for _ in range(100):
        run = post(run, refused)
    late = post(run, refused, NEW.deadline_at)

    assert (run.state, run.doubts, run.wait_seconds) == ("PENDING", 0, 300)
    assert (late.state, "credentials" in late.advice) == ("TIMED_OUT", True)


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.IN_PROGRESS])
def test_a_submission_without_a_request_cannot_be_followed(status: Status):
    """To repeat it would be to start another one."""
    run = post(NEW, told(status, ""))

    assert run.state == "FAILED"
    assert "cannot be followed" in run.reason
    assert "before starting it again" in run.advice


def test_an_outage_is_sat_out_until_the_deadline():
    """As often as there is time for."""
    run = NEW
    for _ in range(100):
        run = post(run, BUSY)
    late = post(run, BUSY, NEW.deadline_at)

    assert (run.state, late.state) == ("PENDING", "TIMED_OUT")
    assert "HTTP 503" in late.reason
    assert "Adobe has taken nothing" in late.advice


def test_a_submission_in_doubt_may_still_run_after_the_deadline():
    """So nobody is told that Adobe has taken nothing."""
    late = post(post(NEW, UNCERTAIN), BUSY, NEW.deadline_at)

    assert late.state == "TIMED_OUT"
    assert "still be at work" in late.advice


def test_a_hindrance_that_is_over_is_not_told():
    """Adobe answered afterwards, and the deadline came all the same."""
    late = get(get(RUNNING, BUSY), told(Status.IN_PROGRESS), RUNNING.deadline_at)

    assert (late.state, late.reason) == ("TIMED_OUT", "No end was told within 14400 seconds.")


def test_success_is_the_end():
    """With the number of records."""
    run = get(RUNNING, told(Status.SUCCESS, num_records=15, info="Mapping Id: 42. "), NOW + 60)

    assert (run.state, run.num_records, run.ended_at) == ("SUCCEEDED", 15, START + 60)


def test_a_failure_is_the_end_with_adobes_code_and_what_to_do():
    """And the batch, if there is one."""
    info = "Mapping Id: 42. ACP-880096 Sync Job failed to upload."
    run = get(RUNNING, told(Status.FAILED, info=info, batch_id="01ABC", code="ACP-880096", num_records=3))

    assert (run.state, run.batch_id, run.code, run.num_records) == ("FAILED", "01ABC", "ACP-880096", 0)
    assert info in run.reason
    assert "batch" in run.advice


def test_an_aborted_request_is_submitted_again_twice_at_most():
    """Adobe asks for that."""
    run, posts = NEW, 0
    while run.state not in ENDS:
        run = get(post(run, told(Status.SUCCESS, str(3520 + posts))), told(Status.ABORTED, ""))
        posts += 1

    assert (run.state, posts) == ("ABORTED", MAX_ATTEMPTS)
    assert "then start it again" in run.advice
    assert [attempt.request_id for attempt in run.attempts] == ["3520", "3521", "3522"]


def test_a_resubmission_follows_soon():
    """However long the waits between polls have become: meanwhile somebody else could start the mapping."""
    run = get(RUNNING._replace(waits=50), told(Status.ABORTED))

    assert (run.state, run.wait_seconds) == ("PENDING", 10)


def test_an_unknown_status_is_counted_and_asked_about_again():
    """It ends nothing before the deadline."""
    run = get(RUNNING, told(Status.UNKNOWN))
    late = get(run, told(Status.UNKNOWN), RUNNING.deadline_at)

    assert (run.state, run.unknown_statuses, bool(run.reason)) == ("UNKNOWN", 1, True)
    assert (late.state, late.unknown_statuses) == ("TIMED_OUT", 2)


@pytest.mark.parametrize("trouble", [BUSY, SETUP, UNCERTAIN], ids=["busy", "setup", "uncertain"])
def test_a_failing_status_call_ends_no_run_before_its_deadline(trouble: Trouble):
    """However often."""
    run = RUNNING
    for _ in range(1000):
        run = get(run, trouble)
    late = get(run, trouble, RUNNING.deadline_at)

    assert (run.state, late.state) == ("RUNNING", "TIMED_OUT")
    assert trouble.reason in late.reason
    assert "still be at work" in late.advice


def test_an_answer_about_another_request_is_none():
    """Its success is not ours."""
    assert get(RUNNING, told(Status.SUCCESS, "3519")).state == "RUNNING"


def test_an_answer_that_does_not_name_its_request_is_taken():
    """Adobe was asked about one only."""
    assert get(RUNNING, told(Status.SUCCESS, "")).state == "SUCCEEDED"


def test_the_last_look_is_at_the_deadline():
    """An end that Adobe tells then still counts."""
    assert get(RUNNING, told(Status.SUCCESS), RUNNING.deadline_at + 1).state == "SUCCEEDED"


def test_waits_grow_up_to_five_minutes():
    """From the first wait on, by half."""
    run, waits = RUNNING, []
    for _ in range(12):
        run = get(run, told(Status.IN_PROGRESS))
        waits.append(run.wait_seconds)

    assert waits == [10, 15, 23, 34, 51, 76, 114, 171, 257, 300, 300, 300]


def test_retry_after_is_obeyed():
    """Also when it ends after the deadline."""
    trouble = BUSY._replace(retry_after=900.0)

    assert get(RUNNING, trouble).wait_seconds == 900
    assert get(RUNNING, trouble, RUNNING.deadline_at - 5).wait_seconds == 900


def test_what_a_person_has_to_mend_is_asked_after_a_minute():
    """Not within seconds."""
    assert post(NEW, SETUP).wait_seconds == 60


def test_no_wait_goes_past_the_deadline():
    """So that the last look is at the deadline."""
    assert get(RUNNING, told(Status.IN_PROGRESS), RUNNING.deadline_at - 3).wait_seconds == 3


def test_a_run_survives_its_way_through_the_state_machine():
    """JSON and back."""
    run = get(RUNNING, told(Status.ABORTED, info="é"))

    assert Run.from_json(json.loads(json.dumps(run.as_json()))) == run


outcomes = st.one_of(
    st.builds(told, st.sampled_from(Status), st.sampled_from(["", "3520", "3521"])),
    st.builds(
        Trouble,
        st.sampled_from([Verdict.SETUP, Verdict.TRANSIENT, Verdict.UNCERTAIN]),
        st.just("why"),
        retry_after=st.none() | st.floats(1, 900),
    ),
)


@given(st.lists(outcomes, min_size=1, max_size=40), st.integers(1, LONGEST_DEADLINE), st.integers(1, 300))
@settings(max_examples=200, deadline=None)
def test_whatever_adobe_answers_a_run_ends(answers: list[Report | Trouble], deadline: int, first_wait: int):
    """Truthfully, soon after its deadline at most, and with few submissions in doubt."""
    run, now, calls = NEW._replace(deadline_at=START + deadline), float(START), 0
    while run.state not in ENDS:
        step = submitted if run.state == "PENDING" else polled
        outcome = answers[calls % len(answers)]
        run = step(run, outcome, now, first_wait)
        now += run.wait_seconds
        calls += 1

    assert run.ended_at <= run.deadline_at + 900
    assert len(run.attempts) <= MAX_ATTEMPTS
    assert run.doubts <= MAX_DOUBTS
    assert run.state != "SUCCEEDED" or outcome.status is Status.SUCCESS
    assert bool(run.reason) == (run.state != "SUCCEEDED")


@pytest.mark.parametrize("task", ["TriggerIngest", "PollIngest"])
def test_the_longest_run_of_all_mappings_fits_into_an_executions_history(task: str):
    """Step Functions ends an execution that has 25,000 events; each call may have been tried again."""
    run, now, calls = RUNNING._replace(deadline_at=START + LONGEST_DEADLINE), float(START), 0
    while run.state not in ENDS:
        run = polled(run, told(Status.IN_PROGRESS), now, 1)
        now += run.wait_seconds
        calls += 1
    # Wait: entered, exited; task: the same, and scheduled, started, ended for each try; choice.
    events_of_a_call = 2 + (2 + 3 * tries(task)) + 2
    around = 40  # submissions, announcements, the iteration itself

    assert run.wait_seconds <= LONGEST_WAIT
    assert MAX_MAPPINGS * (calls * events_of_a_call + around) < 25_000


def test_so_does_one_whose_functions_fail_all_the_time():
    """The state machine then goes by itself, until the deadline."""
    events_of_a_round = 2 + (2 + 3 * tries("PollIngest")) + 2 + 2 + 2  # as above, one more choice, the longer wait
    rounds = LONGEST_DEADLINE / STATES["WaitAfterFailure"]["Seconds"]

    assert MAX_MAPPINGS * (rounds * events_of_a_round + 40) < 25_000
