"""Who we are to Adobe."""

import dataclasses

import pytest

from relay.authorize import REFUSED_SECONDS, Authorizer
from relay.errors import SetupError, Unreachable
from tests.support import CREDENTIALS, NOW, Clock, FakeCredentials, FakeTokenService

LATER = NOW + 1e9  # a deadline that is never near


def test_a_token_is_kept_until_shortly_before_it_expires():
    """One token serves for a day less ten minutes."""
    service, clock = FakeTokenService(lifetime=86_400), Clock()
    authorizer = Authorizer(FakeCredentials(), service, clock)

    first = authorizer.authorization(LATER)
    clock.seconds += 86_400 - 601
    still = authorizer.authorization(LATER)
    clock.seconds += 2
    renewed = authorizer.authorization(LATER)

    assert (first.token, still.token, renewed.token) == ("token-1", "token-1", "token-2")


def test_a_short_lived_token_is_kept_for_half_its_life():
    """A lifetime below ten minutes does not mean a new token for every request."""
    service, clock = FakeTokenService(lifetime=60), Clock()
    authorizer = Authorizer(FakeCredentials(), service, clock)

    authorizer.authorization(LATER)
    clock.seconds += 29
    still = authorizer.authorization(LATER)
    clock.seconds += 2
    renewed = authorizer.authorization(LATER)

    assert (still.token, renewed.token) == ("token-1", "token-2")


def test_the_old_token_serves_while_ims_is_down():
    """A failing renewal costs nothing as long as the token holds, and is not tried for every request."""
    service, clock = FakeTokenService(lifetime=86_400), Clock()
    authorizer = Authorizer(FakeCredentials(), service, clock)
    authorizer.authorization(LATER)
    clock.seconds += 86_400 - 300
    service.error = Unreachable("IMS is busy or down")

    during = authorizer.authorization(LATER)
    service.error = None
    soon_after = authorizer.authorization(LATER)
    clock.seconds += 31
    later = authorizer.authorization(LATER)

    assert (during.token, soon_after.token, later.token) == ("token-1", "token-1", "token-2")


def test_an_expired_token_is_not_used():
    """When the token's time is over and IMS is down, there is no authorization."""
    service, clock = FakeTokenService(lifetime=600), Clock()
    authorizer = Authorizer(FakeCredentials(), service, clock)
    authorizer.authorization(LATER)
    clock.seconds += 601
    service.error = Unreachable("IMS is busy or down")

    with pytest.raises(Unreachable):
        authorizer.authorization(LATER)


def test_a_refused_token_is_replaced():
    """Once Adobe refuses a token, another one is minted and kept."""
    authorizer = Authorizer(FakeCredentials(), FakeTokenService(), Clock())
    refused = authorizer.authorization(LATER)

    replaced = authorizer.replace(refused, LATER)

    assert replaced.token == "token-2"
    assert authorizer.authorization(LATER) == replaced


def test_a_token_that_was_replaced_meanwhile_is_not_replaced_again():
    """Two requests that were refused with the same token cost one new token."""
    authorizer = Authorizer(FakeCredentials(), FakeTokenService(), Clock())
    refused = authorizer.authorization(LATER)

    first, second = authorizer.replace(refused, LATER), authorizer.replace(refused, LATER)

    assert first == second


def test_rotated_credentials_are_used_for_the_next_token():
    """The secret is read for every token, so that a rotation needs no restart."""
    rotated = dataclasses.replace(CREDENTIALS, client_secret="new", client_id="new-client")
    service = FakeTokenService()
    authorizer = Authorizer(FakeCredentials([CREDENTIALS, rotated]), service, Clock())
    refused = authorizer.authorization(LATER)

    replaced = authorizer.replace(refused, LATER)

    assert service.minted_for == [CREDENTIALS, rotated]
    assert replaced.client_id == "new-client"


def test_no_secret_or_token_can_be_read_off_a_representation():
    """repr() ends up in logs and tracebacks."""
    authorizer = Authorizer(FakeCredentials(), FakeTokenService(), Clock())

    assert "token-1" not in repr(authorizer.authorization(LATER))
    assert CREDENTIALS.client_secret not in repr(CREDENTIALS)


def test_a_refusal_of_our_credentials_is_told():
    """SetupError passes through when no token is left."""
    authorizer = Authorizer(FakeCredentials(), FakeTokenService(error=SetupError("refused")), Clock())

    with pytest.raises(SetupError):
        authorizer.authorization(LATER)


def test_a_hopeless_attempt_is_not_repeated_at_once():
    """IMS throttles those who ask again and again, and each time costs a look at the secret."""
    service, clock = FakeTokenService(error=SetupError("refused")), Clock()
    authorizer = Authorizer(FakeCredentials(), service, clock)
    with pytest.raises(SetupError):
        authorizer.authorization(LATER)
    service.error = None

    with pytest.raises(SetupError):
        authorizer.authorization(LATER)
    clock.seconds += REFUSED_SECONDS
    mended = authorizer.authorization(LATER)

    assert mended.token == "token-1"


def test_ims_is_not_asked_before_the_time_it_asked_for():
    """By none of the functions, also those without a breaker."""
    service, clock = FakeTokenService(error=Unreachable("busy", retry_after=60)), Clock()
    authorizer = Authorizer(FakeCredentials(), service, clock)
    with pytest.raises(Unreachable):
        authorizer.authorization(LATER)
    service.error = None

    clock.seconds += 59
    with pytest.raises(Unreachable):
        authorizer.authorization(LATER + 60)
    clock.seconds += 1

    assert authorizer.authorization(LATER + 60).token == "token-1"


def test_of_the_time_that_ims_asked_for_only_the_rest_is_told():
    """Else whoever hears of it late would wait for all of it again."""
    service, clock = FakeTokenService(error=Unreachable("busy", retry_after=60)), Clock()
    authorizer = Authorizer(FakeCredentials(), service, clock)
    with pytest.raises(Unreachable):
        authorizer.authorization(LATER)

    clock.seconds += 50
    with pytest.raises(Unreachable) as told:
        authorizer.authorization(LATER)

    assert told.value.retry_after == 10


def test_after_a_fresh_token_was_refused_no_other_is_minted_for_a_while():
    """However many requests come meanwhile."""
    service, clock = FakeTokenService(), Clock()
    authorizer = Authorizer(FakeCredentials(), service, clock)
    authorizer.distrust()

    with pytest.raises(SetupError):
        authorizer.authorization(LATER)

    assert authorizer.minted == 0


def test_requests_that_wait_for_a_token_together_wait_once():
    """While IMS hangs, the second one need not find out for itself."""
    service, clock = FakeTokenService(error=Unreachable("IMS does not answer")), Clock()
    authorizer = Authorizer(FakeCredentials(), service, clock)
    with pytest.raises(Unreachable):
        authorizer.authorization(LATER)
    service.error = None

    with pytest.raises(Unreachable):
        authorizer.authorization(LATER)

    assert service.minted_for == []


def test_no_token_is_asked_for_when_no_time_is_left():
    """The time is looked at when it is this request's turn."""
    authorizer = Authorizer(FakeCredentials(), FakeTokenService(), Clock())

    with pytest.raises(Unreachable):
        authorizer.authorization(NOW + 0.1)
