"""Forward a batch to Edge and find out what became of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from relay.batch import Batch
from relay.core.authorization import Authorization
from relay.core.events import MAX_REQUEST_BYTES, request_body
from relay.core.problem import edge_problem
from relay.core.verdict import Answer, Judgement, Verdict, judge
from relay.errors import AdobeError, InvalidRequest, NoAnswer, SetupError, Unreachable

# Less than this is not worth starting a request with: it would end in an ambiguous answer.
_LEAST_SECONDS = 1.0


class EdgeCollect(Protocol):
    def collect(
        self, datastream_id: str, request_id: str, body: bytes, authorization: Authorization, within: float
    ) -> Answer: ...


class Authorizations(Protocol):
    def authorization(self, within: float) -> Authorization: ...

    def replace(self, refused: Authorization, within: float) -> Authorization: ...


@dataclass(frozen=True, slots=True)
class Forwarder:
    """Sends a batch to Edge as one request, with a new token once if Edge calls the token expired."""

    edge: EdgeCollect
    authorizer: Authorizations
    now: Callable[[], float]

    def forward(self, batch: Batch, deadline: float) -> Judgement:
        """The verdict on the batch's events, by `deadline` (epoch seconds). Adobe's failings are verdicts, not errors.

        Raises InvalidRequest when the batch does not fit into one request.
        """
        body = request_body(batch.events)
        if len(body) > MAX_REQUEST_BYTES:
            raise InvalidRequest(
                edge_problem(
                    "0112-413",
                    f"The events make a request of {len(body)} bytes; Edge takes {MAX_REQUEST_BYTES}. "
                    "Nothing was forwarded. Send them in smaller batches.",
                )
            )
        try:
            authorization = self.authorizer.authorization(self._time_left(deadline))
            judgement = self._send(batch, body, authorization, deadline)
            if judgement.verdict is Verdict.TOKEN_EXPIRED:
                authorization = self.authorizer.replace(authorization, self._time_left(deadline))
                judgement = self._send(batch, body, authorization, deadline)
        except AdobeError as error:
            return _judge_error(error)
        if judgement.verdict is Verdict.TOKEN_EXPIRED:  # a new token did not mend it, so a new one never will
            return replace(judgement, verdict=Verdict.SETUP)
        return judgement

    def _send(self, batch: Batch, body: bytes, authorization: Authorization, deadline: float) -> Judgement:
        try:
            answer = self.edge.collect(
                batch.datastream_id, batch.request_id, body, authorization, self._time_left(deadline)
            )
        except AdobeError as error:
            return _judge_error(error)
        return judge(answer, self.now())

    def _time_left(self, deadline: float) -> float:
        left = deadline - self.now()
        if left < _LEAST_SECONDS:
            raise Unreachable("no time left to ask")
        return left


def _judge_error(error: AdobeError) -> Judgement:
    """The verdict when there is no answer of Edge to judge."""
    verdict = Verdict.SETUP if isinstance(error, SetupError) else Verdict.TRANSIENT
    return Judgement(verdict, reason=error.reason, retry_after=error.retry_after, ambiguous=isinstance(error, NoAnswer))
