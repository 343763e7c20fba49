"""Ask Campaign Standard about an ingestion: a report in its own words, or the trouble there was."""

from collections.abc import Callable
from typing import Protocol

from aws_lambda_powertools.metrics import Metrics

from relay.authorize import Authorizations, ask
from relay.core.authorization import Authorization
from relay.core.deadline import Deadline
from relay.core.report import Report, Trouble, as_submission, read_answer
from relay.core.verdict import Answer, Verdict
from relay.errors import AdobeError, NoAnswer, SetupError
from relay.measure import count


class CampaignApi(Protocol):
    def submit(self, mapping_id: str, authorization: Authorization, deadline: Deadline) -> Answer: ...

    def status(self, mapping_id: str, request_id: str, authorization: Authorization, deadline: Deadline) -> Answer: ...


class CampaignClient:
    """Asks Campaign with a token that is renewed once when Adobe says that it expired; trouble is a result."""

    def __init__(self, campaign: CampaignApi, authorizer: Authorizations, now: Callable[[], float]) -> None:
        self._campaign = campaign
        self._authorizer = authorizer
        self._now = now

    def submit(self, mapping_id: str, deadline: Deadline, metrics: Metrics) -> Report | Trouble:
        """What Adobe makes of a submission."""
        count(metrics, IngestionSubmissions=1)

        def call(authorization: Authorization) -> Answer:
            return self._campaign.submit(mapping_id, authorization, deadline)

        return as_submission(self._measured(call, deadline, metrics))

    def status(self, mapping_id: str, request_id: str, deadline: Deadline, metrics: Metrics) -> Report | Trouble:
        """How Adobe says the request stands."""
        count(metrics, IngestionPolls=1)

        def call(authorization: Authorization) -> Answer:
            return self._campaign.status(mapping_id, request_id, authorization, deadline)

        return self._measured(call, deadline, metrics)

    def _measured(
        self, call: Callable[[Authorization], Answer], deadline: Deadline, metrics: Metrics
    ) -> Report | Trouble:
        minted_before = self._authorizer.minted
        outcome = self._ask(call, deadline)
        count(metrics, TokenRefreshes=self._authorizer.minted - minted_before)
        return outcome

    def _ask(self, call: Callable[[Authorization], Answer], deadline: Deadline) -> Report | Trouble:
        def read(authorization: Authorization) -> Report | Trouble:
            return read_answer(call(authorization), self._now())

        try:
            outcome = ask(read, _is_expired, self._authorizer, deadline)
        except NoAnswer as error:
            return Trouble(Verdict.UNCERTAIN, error.reason)
        except AdobeError as error:
            verdict = Verdict.SETUP if isinstance(error, SetupError) else Verdict.TRANSIENT
            return Trouble(verdict, error.reason, retry_after=error.retry_after)
        if isinstance(outcome, Trouble) and _is_expired(outcome):
            return outcome._replace(verdict=Verdict.SETUP)
        return outcome


def _is_expired(outcome: Report | Trouble) -> bool:
    return isinstance(outcome, Trouble) and outcome.verdict is Verdict.TOKEN_EXPIRED
