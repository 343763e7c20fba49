"""Forwarding a batch to Edge."""

import pytest

from relay.batch import Batch, read_batch
from relay.core.verdict import Answer, Verdict
from relay.errors import AdobeError, InvalidRequest, NoAnswer, SetupError, Unreachable
from relay.forward import Forwarder
from relay.http_request import read_http_request
from tests.support import DATASTREAM, NOW, Clock, FakeAuthorizer, FakeEdge, batch, edge, event, post, problem

EXPIRED = Answer(401, {}, problem("0503-401"))
ENOUGH = NOW + 28


def read(*names: str) -> Batch:
    return read_batch(read_http_request(post(batch(*names))), "r-1", frozenset())


def forwarder(fake: FakeEdge, authorizer: FakeAuthorizer | None = None) -> Forwarder:
    return Forwarder(fake, authorizer or FakeAuthorizer(), Clock())


def test_the_whole_batch_reaches_edge_in_one_request():
    """With the client's datastream and request id."""
    fake = edge(202)

    judgement = forwarder(fake).forward(read("a", "b"), ENOUGH)

    assert judgement.verdict is Verdict.DELIVERED
    assert fake.event_ids() == {"a", "b"}
    assert [(sent["datastream_id"], sent["request_id"]) for sent in fake.sent] == [(DATASTREAM, "r-1")]


@pytest.mark.parametrize("refusal", [EXPIRED, Answer(401, {}, b"")], ids=["0503", "401 without a code"])
def test_an_expired_token_is_replaced_once_and_the_batch_sent_again(refusal: Answer):
    """Nothing of a 401 was taken, so the same batch goes again with a new token."""
    fake = edge(refusal, 202)

    judgement = forwarder(fake).forward(read("a"), ENOUGH)

    assert judgement.verdict is Verdict.DELIVERED
    assert [sent["token"] for sent in fake.sent] == ["token-1", "token-2"]


def test_a_second_expired_token_is_a_matter_of_setup():
    """If a fresh token is called expired, another one will not mend it."""
    fake = edge(EXPIRED)

    judgement = forwarder(fake).forward(read("a"), ENOUGH)

    assert judgement.verdict is Verdict.SETUP
    assert len(fake.sent) == 2


@pytest.mark.parametrize(
    ("error", "verdict", "ambiguous"),
    [
        (Unreachable("x"), Verdict.TRANSIENT, False),
        (NoAnswer("x"), Verdict.TRANSIENT, True),
        (SetupError("x"), Verdict.SETUP, False),
    ],
)
def test_without_an_answer_only_a_request_that_was_sent_is_in_doubt(
    error: AdobeError,
    verdict: Verdict,
    ambiguous: bool,
):
    """Adobe may have taken the events only if bytes were sent."""
    judgement = forwarder(edge(error)).forward(read("a"), ENOUGH)

    assert (judgement.verdict, judgement.ambiguous) == (verdict, ambiguous)


def test_without_a_token_nothing_is_sent():
    """IMS down is an outage like any other, with its Retry-After."""
    fake = edge(202)

    judgement = forwarder(fake, FakeAuthorizer(error=Unreachable("x", retry_after=9))).forward(read("a"), ENOUGH)

    assert (judgement.verdict, judgement.retry_after, judgement.ambiguous) == (Verdict.TRANSIENT, 9, False)
    assert fake.sent == []


def test_nothing_is_sent_when_no_time_is_left_for_an_answer():
    """A request that cannot be waited for would only leave doubt."""
    fake = edge(202)

    judgement = forwarder(fake).forward(read("a"), NOW + 0.9)

    assert (judgement.verdict, judgement.ambiguous) == (Verdict.TRANSIENT, False)
    assert fake.sent == []


def test_a_batch_larger_than_one_request_is_refused():
    """64,000 bytes is Edge's limit."""
    fake = edge(202)
    large = post({"events": [event(str(n), text="x" * 30_000) for n in range(3)]})

    with pytest.raises(InvalidRequest) as refused:
        forwarder(fake).forward(read_batch(read_http_request(large), "r", frozenset()), ENOUGH)

    assert refused.value.problem.status == 413
    assert fake.sent == []
