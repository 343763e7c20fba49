"""Campaign Standard's immediate ingestion: `POST` and `GET …/xdmIngestion/<mapping>/ingest`, scripted per mapping."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from local.sandbox.accounts import Accounts
from local.sandbox.reply import Reply, gateway_error

ORGANIZATION = "example"
RECORDS = 15  # of every ingestion that succeeds
POLLS_UNTIL_DONE = 2  # without a script: how often "In Progress" is said first

_FIRST_REQUEST_ID = 3520
_CAUSES = {
    "success": ("", " "),
    "in_progress": ("", ""),
    "failed_on_fetch": ("", " ACP-880056 Failed to fetch the record from the database."),
    "failed_on_upload": ("01ABC", " ACP-880096 Sync Job failed to upload. Please check the error in the Platform UI."),
    "aborted": (
        "",
        " Ingestion request aborted due to some issue with data ingestion service. Please submit a new request",
    ),
}
_STATUSES = {"success": "Success", "in_progress": "In Progress", "aborted": "Aborted"}  # the others: Failed
_RST = "RST-360011 An error has occurred - please contact your administrator."
_COMMON = {
    "rst_404": Reply(404, _RST, {"Content-Type": "text/plain"}),
    "rst_500": Reply(500, _RST, {"Content-Type": "text/plain"}),
    "error_code": gateway_error("403023", "Profile is not valid"),
    "gateway_code": Reply(502, {"code": 502, "message": "Oops. Something went wrong."}),
    "too_many_requests": Reply(429, {"error_code": "429050", "message": "Too many requests"}, {"Retry-After": "60"}),
    "not_json": Reply(200, "<html>maintenance</html>", {"Content-Type": "text/html"}),
    "empty": Reply(200),
}
SUBMIT_ANSWERS = ("submitted", "in_progress", "not_stopped", "not_published", *_COMMON)
STATUS_ANSWERS = (*_CAUSES, *_COMMON)


@dataclass(slots=True)
class XdmMapping:
    """One mapping: the answers still to give (the last one is given for ever), and what happened so far."""

    submit: list[Any] = field(default_factory=list)
    status: list[Any] = field(default_factory=list)
    running: int | None = None  # request id
    polls: int = 0  # of the running request
    request_ids: list[int] = field(default_factory=list)
    posts: int = 0
    gets: int = 0


@dataclass(slots=True)
class Campaign:
    """The ingestions of one organisation (the `<ORGANIZATION>` of the path)."""

    organization: str = ORGANIZATION
    mappings: defaultdict[str, XdmMapping] = field(default_factory=lambda: defaultdict(XdmMapping))
    _request_ids: Iterator[int] = field(default_factory=lambda: itertools.count(_FIRST_REQUEST_ID))

    def script(self, mapping_id: str, submit: list[Any], status: list[Any]) -> None:
        """Set the answers of a mapping: names of SUBMIT_ANSWERS and STATUS_ANSWERS, or `{status, body, headers}`.

        Raises ValueError on a name that is neither.
        """
        for answers, known in ((submit, SUBMIT_ANSWERS), (status, STATUS_ANSWERS)):
            for answer in answers:
                if not isinstance(answer, dict) and answer not in known:
                    raise ValueError(f"{answer!r} is none of {', '.join(known)}")
        mapping = self.mappings[mapping_id]
        mapping.submit, mapping.status = list(submit), list(status)

    def submit(self, accounts: Accounts, organization: str, mapping_id: str, headers: Any) -> Reply:
        if refusal := self._refusal(accounts, organization, headers):
            return refusal
        mapping = self.mappings[mapping_id]
        mapping.posts += 1
        answer = _next(mapping.submit) or ("in_progress" if mapping.running else "submitted")
        if isinstance(answer, dict):
            return Reply(**answer)
        if answer in _COMMON:
            return _COMMON[answer]
        if answer in ("not_stopped", "not_published"):
            info = (
                f"Unable to submit data ingestion request, XDM Mapping ID: {mapping_id} is {answer.replace('_', ' ')}"
            )
            return Reply(200, {"info": info, "status": "Failed"})
        if answer == "in_progress" and mapping.running:
            request_id = mapping.running
        else:
            request_id = mapping.running = next(self._request_ids)
            mapping.polls = 0
            mapping.request_ids.append(request_id)
        verb, status = (
            ("submitted successfully", "Success") if answer == "submitted" else ("already in progress", "In Progress")
        )
        info = f"Ingestion request {verb} for the Mapping ID: {mapping_id}"
        return Reply(200, {"requestId": request_id, "info": info, "status": status})

    def status(
        self, accounts: Accounts, organization: str, mapping_id: str, headers: Any, query: Any, body: bytes
    ) -> Reply:
        if refusal := self._refusal(accounts, organization, headers):
            return refusal
        mapping = self.mappings[mapping_id]
        mapping.gets += 1
        request_id = _read_request_id(query, body)
        if request_id not in mapping.request_ids:
            return _COMMON["rst_404"]
        answer = _next(mapping.status)
        if answer is None:
            mapping.polls += 1
            answer = "in_progress" if mapping.polls <= POLLS_UNTIL_DONE else "success"
        if isinstance(answer, dict):
            return Reply(**answer)
        if answer in _COMMON:
            return _COMMON[answer]
        if answer != "in_progress":
            mapping.running = None
        batch_id, cause = _CAUSES[answer]
        return Reply(
            200,
            {
                "batchId": batch_id,
                "info": f"Mapping Id: {mapping_id}.{cause}",
                "numRecords": RECORDS if answer == "success" else 0,
                "requestId": request_id,
                "status": _STATUSES.get(answer, "Failed"),
            },
        )

    def _refusal(self, accounts: Accounts, organization: str, headers: Any) -> Reply | None:
        if refusal := accounts.refusal_at_gateway(headers):
            return refusal
        return None if organization == self.organization else gateway_error("403023", "Profile is not valid")


def _next(answers: list[Any]) -> Any:
    """The next answer of a script; its last one is given for ever."""
    if not answers:
        return None
    return answers.pop(0) if len(answers) > 1 else answers[0]


def _read_request_id(query: Any, body: bytes) -> int | None:
    """From the query or from a JSON body: Adobe leaves open which."""
    given = query.get("requestId")
    if given is None:
        try:
            given = json.loads(body)["requestId"]
        except (ValueError, KeyError, TypeError):
            return None
    return int(given) if str(given).isdecimal() else None
