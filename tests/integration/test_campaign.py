"""Campaign's API, against the sandbox."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from local.process import choose_port
from relay.adapters.campaign import Campaign
from relay.adapters.http import Http, Timeouts
from relay.adapters.ims import Ims
from relay.authorize import Authorizer
from relay.campaign import CampaignClient
from relay.core.authorization import Authorization
from relay.core.deadline import Deadline
from relay.core.report import Report, Status, Trouble
from relay.core.verdict import Verdict
from relay.errors import OutOfTime
from tests.support import AUTHORIZATION, NOW, Clock, FakeAuthorizer, FakeCredentials, SandboxClient, unmeasured

QUICK = Timeouts(connect=1, read=1)


def client_of(
    sandbox: SandboxClient, url: str | None = None, *, organization: str = "example", in_body: bool = False
) -> CampaignClient:
    sandbox.credentials(scopes="openid,AdobeID")
    authorizer = Authorizer(FakeCredentials(), Ims(sandbox.url, Http(QUICK)), time.time)
    campaign = Campaign(url or sandbox.url, organization, request_id_in_body=in_body, http=Http(QUICK))
    return CampaignClient(campaign, authorizer, time.time)


def soon() -> Deadline:
    return Deadline.after(10, time.time)


@pytest.mark.parametrize("in_body", [False, True], ids=["query", "body"])
def test_a_submission_and_its_status(sandbox: SandboxClient, in_body: bool):
    """With the request id in the query or in a JSON body: Adobe leaves open which."""
    client = client_of(sandbox, in_body=in_body)
    sandbox.script("42", status=["success"])

    submitted = client.submit("42", soon(), unmeasured())
    status = client.status("42", "3520", soon(), unmeasured())

    assert isinstance(submitted, Report)
    assert isinstance(status, Report)
    assert (submitted.status, submitted.request_id) == (Status.SUCCESS, "3520")
    assert (status.status, status.num_records) == (Status.SUCCESS, 15)


def test_a_submission_carries_the_headers_of_adobes_page():
    """And takes its answer unpacked, so that it can be bounded."""
    sent: dict[str, str] = {}
    http: Any = SimpleNamespace(request=lambda *_, headers, **__: sent.update(headers))
    campaign = Campaign("https://mc.adobe.io", "example", request_id_in_body=False, http=http)

    campaign.submit("42", Authorization("token", "client", "org"), soon())

    assert sent == {
        "Authorization": "Bearer token",
        "X-Api-Key": "client",
        "Cache-Control": "no-cache",
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
    }


@pytest.mark.parametrize("fault", [{"drop": "before"}, {"drop": "after"}, {"delay": 1.5}, {"cut": True}], ids=str)
def test_a_lost_answer_is_trouble_and_the_request_is_adopted(sandbox: SandboxClient, fault: dict[str, Any]):
    """The README's rows on connections lost and no answer in time."""
    client = client_of(sandbox)
    sandbox.fault(on="ingest", times=1, **fault)

    lost = client.submit("42", soon(), unmeasured())
    again = client.submit("42", soon(), unmeasured())

    assert isinstance(lost, Trouble)
    assert isinstance(again, Report)
    assert lost.verdict in (Verdict.TRANSIENT, Verdict.UNCERTAIN)
    assert again.status is (Status.IN_PROGRESS if fault == {"drop": "after"} or "cut" in fault else Status.SUCCESS)
    assert sandbox.ingestions()["42"]["requestIds"] == [3520]


def test_an_adobe_that_cannot_be_reached_has_not_taken_anything(sandbox: SandboxClient):
    """The README's rows on no connection."""
    client = client_of(sandbox, f"http://127.0.0.1:{choose_port('UNSET')}")

    outcomes = [client.submit("42", soon(), unmeasured()), client.status("42", "3520", soon(), unmeasured())]

    assert [getattr(outcome, "verdict", None) for outcome in outcomes] == [Verdict.TRANSIENT] * 2


@pytest.mark.parametrize("fault", [{"drop": "before"}, {"delay": 1.5}], ids=str)
def test_a_lost_answer_to_get_is_no_report(sandbox: SandboxClient, fault: dict[str, Any]):
    """The README's rows on a status that does not come."""
    client = client_of(sandbox)
    client.submit("42", soon(), unmeasured())
    sandbox.fault(on="ingest_status", times=1, **fault)

    lost, again = client.status("42", "3520", soon(), unmeasured()), client.status("42", "3520", soon(), unmeasured())

    assert isinstance(lost, Trouble)
    assert isinstance(again, Report)


def test_ims_that_refuses_us_is_a_matter_of_setup(sandbox: SandboxClient):
    """Campaign is not asked."""
    client = client_of(sandbox)
    sandbox.credentials(client_secrets=["rotated"])

    outcome = client.submit("42", soon(), unmeasured())

    assert isinstance(outcome, Trouble)
    assert (outcome.verdict, "invalid_client" in outcome.reason) == (Verdict.SETUP, True)
    assert sandbox.statuses("ingest") == []


def test_without_an_organization_nothing_is_sent(sandbox: SandboxClient):
    """And the parameter is named."""
    outcome = client_of(sandbox, organization="").submit("42", soon(), unmeasured())

    assert isinstance(outcome, Trouble)
    assert "CampaignOrganization" in outcome.reason
    assert sandbox.statuses("ingest") == []


def test_the_token_is_renewed_once(sandbox: SandboxClient):
    """When Adobe's gateway says that it expired."""
    client = client_of(sandbox)
    client.submit("42", soon(), unmeasured())
    sandbox.tokens(expire=True)

    assert isinstance(client.submit("42", soon(), unmeasured()), Report)
    assert sandbox.statuses("token") == [200, 200]


def test_what_may_not_be_answered_in_time_is_not_asked(sandbox: SandboxClient):
    """Neither a submission, of which nobody would know whether Adobe took it, nor a status."""
    campaign = Campaign(sandbox.url, "example", request_id_in_body=False, http=Http(QUICK))
    late = Deadline(NOW + QUICK.total - 0.01, Clock())

    with pytest.raises(OutOfTime):
        campaign.submit("42", AUTHORIZATION, late)
    with pytest.raises(OutOfTime):
        campaign.status("42", "3520", AUTHORIZATION, late)

    assert (sandbox.statuses("ingest"), sandbox.statuses("ingest_status")) == ([], [])


def test_too_little_time_for_a_submission_is_trouble_and_no_doubt(sandbox: SandboxClient):
    """Nothing was sent: it can be repeated without a thought."""
    campaign = Campaign(sandbox.url, "example", request_id_in_body=False, http=Http(QUICK))
    client = CampaignClient(campaign, FakeAuthorizer(), Clock())

    outcome = client.submit("42", Deadline(NOW + QUICK.total - 0.01, Clock()), unmeasured())

    assert outcome == Trouble(Verdict.TRANSIENT, OutOfTime().reason)
    assert sandbox.statuses("ingest") == []


def test_a_redirect_is_not_followed(sandbox: SandboxClient):
    """Our token stays with Adobe."""
    sandbox.fault(on="ingest", status=302, headers={"Location": f"{sandbox.url}/elsewhere"})

    outcome = client_of(sandbox).submit("42", soon(), unmeasured())

    assert isinstance(outcome, Trouble)
    assert len(sandbox.statuses("ingest")) == 1
