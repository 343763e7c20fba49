"""A token from IMS."""

import dataclasses
import time
from typing import Any

import pytest

from local.process import choose_port
from relay.adapters.http import Http, Timeouts
from relay.adapters.ims import Ims
from relay.core.deadline import Deadline
from relay.errors import AdobeError, OutOfTime, SetupError, Unreachable
from tests.support import CREDENTIALS, NOW, Clock, SandboxClient

KNOWN = dataclasses.replace(CREDENTIALS, scopes="openid,AdobeID")


QUICK = Timeouts(connect=1, read=0.3)


def ims(url: str) -> Ims:
    return Ims(url, Http(QUICK))


def soon() -> Deadline:
    return Deadline.after(10, time.time)


def test_a_token_comes_with_its_lifetime_in_seconds(sandbox: SandboxClient):
    """expires_in is in seconds, and counts from now."""
    sandbox.tokens(lifetime=100)

    token = ims(sandbox.url).mint(KNOWN, NOW, soon())

    assert token.value
    assert (token.lifetime, token.expires_at) == (100, NOW + 100)


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param(dataclasses.replace(KNOWN, client_secret="wrong"), id="secret"),
        pytest.param(dataclasses.replace(KNOWN, client_id="unknown"), id="client id"),
        pytest.param(dataclasses.replace(KNOWN, scopes="openid,everything"), id="scope"),
    ],
)
def test_wrong_credentials_are_a_matter_of_setup(sandbox: SandboxClient, credentials: Any):
    """IMS refuses, and an operator must mend it."""
    with pytest.raises(SetupError):
        ims(sandbox.url).mint(credentials, NOW, soon())


def test_both_secrets_of_a_rotation_are_good(sandbox: SandboxClient):
    """A credential can hold two secrets at once."""
    sandbox.credentials(client_secrets=["sandbox-secret", "next-secret"])

    for secret in ("sandbox-secret", "next-secret"):
        assert ims(sandbox.url).mint(dataclasses.replace(KNOWN, client_secret=secret), NOW, soon()).value


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param({"status": 503}, Unreachable, id="down"),
        pytest.param({"status": 429, "retry_after": 9}, Unreachable, id="throttled"),
        pytest.param({"delay": 0.5}, Unreachable, id="slow"),
        pytest.param({"drop": "before"}, Unreachable, id="connection lost"),
        pytest.param({"status": 401}, SetupError, id="401"),
        pytest.param({"status": 404}, SetupError, id="wrong address"),
        pytest.param({"status": 302, "headers": {"Location": "/"}}, SetupError, id="redirect"),
        pytest.param({"status": 200, "body": "<html>hello</html>"}, SetupError, id="HTML"),
        pytest.param({"status": 200, "body": "[" * 100_000}, SetupError, id="deep nesting"),
        pytest.param({"status": 200, "body": []}, SetupError, id="array"),
        pytest.param({"status": 200, "body": {"access_token": "t"}}, SetupError, id="no lifetime"),
        pytest.param({"status": 200, "body": {"access_token": 5, "expires_in": 5}}, SetupError, id="token a number"),
        pytest.param(
            {"status": 200, "body": {"access_token": "a\r\nb", "expires_in": 5}}, SetupError, id="token with CRLF"
        ),
        pytest.param(
            {"status": 200, "body": {"access_token": "t", "expires_in": "x"}}, SetupError, id="lifetime a text"
        ),
        pytest.param(
            {"status": 200, "body": '{"access_token": "t", "expires_in": NaN}'}, SetupError, id="lifetime NaN"
        ),
        pytest.param(
            {"status": 200, "body": '{"access_token": "t", "expires_in": 1%s}' % ("0" * 400)},
            SetupError,
            id="lifetime of 400 digits",
        ),
        pytest.param(
            {"status": 200, "body": {"access_token": "t", "expires_in": 0}}, SetupError, id="no lifetime left"
        ),
        pytest.param({"cut": True}, Unreachable, id="cut off"),
    ],
)
def test_anything_but_a_token_is_an_error_that_says_what_to_do(
    sandbox: SandboxClient, fault: dict[str, Any], error: type[AdobeError]
):
    """Unreachable passes by itself; SetupError needs somebody. No event was sent, so nothing is ever in doubt."""
    sandbox.fault(on="token", **fault)

    with pytest.raises(error) as raised:
        ims(sandbox.url).mint(KNOWN, NOW, soon())

    assert raised.value.retry_after == fault.get("retry_after")


def test_ims_that_cannot_be_reached_is_unreachable():
    """Nothing listens there."""
    with pytest.raises(Unreachable):
        ims(f"http://127.0.0.1:{choose_port('UNSET')}").mint(KNOWN, NOW, soon())


def test_ims_own_word_for_a_refusal_is_told(sandbox: SandboxClient):
    """invalid_client or invalid_scope: the difference for who has to mend it. Nothing else of the answer is."""
    with pytest.raises(SetupError, match="invalid_client"):
        ims(sandbox.url).mint(dataclasses.replace(KNOWN, client_secret="wrong"), NOW, soon())
    sandbox.fault(on="token", status=400, body={"error": "your secret is sandbox-secret"})
    with pytest.raises(SetupError, match="HTTP 400"):
        ims(sandbox.url).mint(KNOWN, NOW, soon())


def test_no_token_is_asked_for_that_may_not_come_in_time(sandbox: SandboxClient):
    """IMS is not asked, so this says nothing of it."""
    with pytest.raises(OutOfTime):
        ims(sandbox.url).mint(KNOWN, NOW, Deadline(NOW + QUICK.total - 0.01, Clock()))

    assert sandbox.statuses("token") == []
    assert ims(sandbox.url).mint(KNOWN, NOW, Deadline(NOW + QUICK.total + 0.01, Clock())).value
