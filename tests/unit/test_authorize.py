"""Who we are to Adobe."""

import dataclasses

import pytest

from relay.authorize import REFUSED_SECONDS, Authorizer
from relay.core.authorization import Credentials, Token
from relay.core.deadline import Deadline
from relay.errors import OutOfTime, SetupError, Unreachable
from tests.support import CREDENTIALS, NOW, Clock, FakeCredentials, FakeTokenService, pass_time

LATER = Deadline(NOW + 1e9, Clock())  # it is never near


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
        authorizer.authorization(LATER)
    clock.seconds += 1

    assert authorizer.authorization(LATER).token == "token-1"


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


SECRET_SECONDS, TOKEN_SECONDS = 3.0, 6.0  # that a call takes at most


class SlowCredentials(FakeCredentials):
    """Reading the secret takes so many seconds of the clock; it is not begun when it may end too late."""

    def __init__(self, clock: Clock, takes: float = 0) -> None:
        super().__init__()
        self.clock, self.takes = clock, takes

    def read(self, deadline: Deadline) -> Credentials:
        pass_time(self.clock, self.takes, SECRET_SECONDS, deadline)
        return super().read(deadline)


class SlowTokenService(FakeTokenService):
    """Minting takes so many seconds of the clock; it is not begun when it may end too late."""

    def __init__(self, clock: Clock, takes: float = 0, lifetime: float = 86_400) -> None:
        super().__init__(lifetime)
        self.clock, self.takes = clock, takes

    def mint(self, credentials: Credentials, now: float, deadline: Deadline) -> Token:
        pass_time(self.clock, self.takes, TOKEN_SECONDS, deadline)
        return super().mint(credentials, now, deadline)


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(SECRET_SECONDS - 0.1, id="for the secret"),
        pytest.param(TOKEN_SECONDS - 0.1, id="for the token"),
        pytest.param(SECRET_SECONDS + TOKEN_SECONDS - 0.1, id="for the token, after a slow secret"),
    ],
)
def test_too_little_time_says_nothing_of_ims(left: float):
    """So it is not remembered as a failure, and whoever has more time gets a token at once."""
    clock = Clock()
    service = SlowTokenService(clock)
    authorizer = Authorizer(SlowCredentials(clock, takes=SECRET_SECONDS), service, clock)

    with pytest.raises(OutOfTime):
        authorizer.authorization(Deadline(clock.seconds + left, clock))
    assert (service.minted_for, authorizer.minted) == ([], 0)

    enough = Deadline(clock.seconds + SECRET_SECONDS + TOKEN_SECONDS, clock)
    assert authorizer.authorization(enough).token == "token-1"


def test_a_token_that_comes_in_time_is_waited_for():
    """With just the time that the secret and the token may take."""
    clock = Clock()
    authorizer = Authorizer(
        SlowCredentials(clock, takes=SECRET_SECONDS), SlowTokenService(clock, takes=TOKEN_SECONDS), clock
    )

    found = authorizer.authorization(Deadline(NOW + SECRET_SECONDS + TOKEN_SECONDS, clock))

    assert (found.token, clock.seconds) == ("token-1", NOW + SECRET_SECONDS + TOKEN_SECONDS)


def test_the_old_token_serves_when_there_is_no_time_to_renew_it(caplog: pytest.LogCaptureFixture):
    """It still holds. Nothing has failed, so nothing is logged, and the next one with time renews it at once."""
    clock = Clock()
    authorizer = Authorizer(SlowCredentials(clock), SlowTokenService(clock), clock)
    authorizer.authorization(LATER)
    clock.seconds += 86_400 - 300

    hurried = authorizer.authorization(Deadline(clock.seconds + 1, clock))
    next_one = authorizer.authorization(LATER)

    assert (hurried.token, next_one.token) == ("token-1", "token-2")
    assert caplog.records == []


def test_an_expired_token_is_not_used_for_lack_of_time():
    """Adobe would refuse it."""
    clock = Clock()
    authorizer = Authorizer(SlowCredentials(clock), SlowTokenService(clock, lifetime=600), clock)
    authorizer.authorization(LATER)
    clock.seconds += 601

    with pytest.raises(OutOfTime):
        authorizer.authorization(Deadline(clock.seconds + 1, clock))


def test_a_refused_token_is_not_used_again_for_lack_of_time():
    """Whoever comes next replaces it."""
    clock = Clock()
    authorizer = Authorizer(SlowCredentials(clock), SlowTokenService(clock), clock)
    refused = authorizer.authorization(LATER)

    with pytest.raises(OutOfTime):
        authorizer.replace(refused, Deadline(NOW + 1, clock))

    assert authorizer.authorization(LATER).token == "token-2"
