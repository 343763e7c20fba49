"""What tests share: batches, requests as API Gateway hands them over, fakes, and a client of the sandbox."""

import base64
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests
from samcli.yamlhelper import yaml_parse

from local.process import wait_until
from relay.core.authorization import Authorization, Credentials, Token
from relay.core.deadline import Deadline
from relay.core.envelope import Envelope
from relay.core.events import Event
from relay.core.message import Message, Outgoing, Parcel, write_message
from relay.core.verdict import Answer
from relay.errors import AdobeError, NoAnswer, OutOfTime

PROJECT = Path(__file__).resolve().parent.parent
DATASTREAM = "3849362f-f325-4418-8cc8-993342b254f7"
NOW = 1_800_000_000.0  # epoch seconds

CREDENTIALS = Credentials("sandbox-client", "sandbox-secret", "53A16ACB5CC1D3760A495C99@AdobeOrg", "openid,AdobeID")
AUTHORIZATION = Authorization("token-1", CREDENTIALS.client_id, CREDENTIALS.org_id)

SEED = json.loads(json.loads((PROJECT / "events/collect.json").read_text())["body"])


def template() -> dict[str, Any]:
    """template.yaml, with intrinsic functions in their long form."""
    return yaml_parse((PROJECT / "template.yaml").read_text())


def event(name: str = "a", **xdm: Any) -> dict[str, Any]:
    """A valid event that can be told from others by its name."""
    return {"xdm": {"_id": name, "identityMap": {"CRMID": [{"id": name, "primary": True}]}, **xdm}}


def batch(*names: str) -> dict[str, Any]:
    return {"events": [event(name) for name in names]}


def ids(events: Iterable[dict[str, Any]]) -> set[str]:
    return {event["xdm"]["_id"] for event in events}


def post(
    content: Any,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    in_base64: bool = False,
    hint: str | None = None,
) -> dict[str, Any]:
    """A proxy integration event; `content` is JSON, or bytes or text that are sent as they are."""
    body = content if isinstance(content, str | bytes) else json.dumps(content)
    if in_base64 or isinstance(body, bytes):
        body, in_base64 = base64.b64encode(body.encode() if isinstance(body, str) else body).decode(), True
    return {
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "queryStringParameters": {"dataStreamId": DATASTREAM} if query is None else query,
        "pathParameters": None if hint is None else {"hint": hint},
        "body": body,
        "isBase64Encoded": in_base64,
    }


def measured(printed: str) -> dict[str, float]:
    """The metrics in what a function printed, summed up."""
    lines = [json.loads(line) for line in printed.splitlines() if '"_aws"' in line]
    names = [metric["Name"] for line in lines for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    return {name: sum(sum(line.get(name, [])) for line in lines) for name in names}


def context(seconds: float = 28) -> Any:
    """A Lambda context with so much time left."""
    return SimpleNamespace(
        aws_request_id="5f0c3c5e-0000-4000-8000-000000000000",
        function_name="collect",
        memory_limit_in_mb=1024,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:collect",
        get_remaining_time_in_millis=lambda: int(seconds * 1000),
    )


def unmeasured() -> Any:
    """Metrics that nobody wants; real ones would be written by the next function that a test calls."""
    return SimpleNamespace(add_metric=lambda *_: None)


def problem(code: str, **members: Any) -> bytes:
    """Edge's problem+json of EXEG-`code`."""
    content = {
        "type": f"https://ns.adobe.com/aep/errors/EXEG-{code}",
        "status": int(code[-3:]),
        "title": "t",
        **members,
    }
    return json.dumps(content).encode()


class Clock:
    """Time (epoch seconds) that only moves when it is told to; for threads in parallel it passes in parallel."""

    def __init__(self, seconds: float = NOW) -> None:
        self._seconds = seconds
        self._of_others: dict[int, float] = {}

    def __call__(self) -> float:
        return self.seconds

    @property
    def seconds(self) -> float:
        if threading.current_thread() is not threading.main_thread():
            return self._of_others.setdefault(threading.get_ident(), self._seconds)
        while self._of_others:  # they have ended: the test waits for the slowest of them
            self._seconds = max(self._seconds, self._of_others.popitem()[1])
        return self._seconds

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():
            self._seconds = seconds
        else:
            self._of_others[threading.get_ident()] = seconds


EDGE_SECONDS = 11.0  # that a call of Edge takes at most


def pass_time(clock: Clock, takes: float, most: float, deadline: Deadline) -> None:
    """What an adapter does with time: it begins a call only if the longest fits in, and gives up after the longest."""
    if not deadline.fits(most):
        raise OutOfTime
    clock.seconds += min(takes, most)
    if takes > most:
        raise NoAnswer("no answer in time, or connection lost")


@dataclass
class FakeEdge:
    """Edge, giving these answers in turn and the last one for ever; keeps what it was sent.

    Every answer takes `takes` seconds of the clock. Like the adapter it begins nothing that may not end in time.
    """

    answers: list[Answer | AdobeError]
    sent: list[dict[str, Any]] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    takes: float = 0.0
    seconds: float = EDGE_SECONDS

    def collect(
        self, envelope: Envelope, request_id: str, body: bytes, authorization: Authorization, deadline: Deadline
    ) -> Answer:
        pass_time(self.clock, self.takes, self.seconds, deadline)
        self.sent.append({"envelope": envelope, "request_id": request_id, "body": body, "token": authorization.token})
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, AdobeError):
            raise answer
        return answer

    def event_ids(self) -> set[str]:
        """Of the last request."""
        return ids(json.loads(self.sent[-1]["body"])["events"])


def message_of(*events: Event, envelope: Envelope | None = None, attempts: int = 1) -> Message:
    """A message of the spool with events of one client's request."""
    return Message(envelope or Envelope(DATASTREAM), (Parcel("r", "r", NOW, events, attempts),))


def sqs_record(content: Message | str, message_id: str = "m1", receives: int = 1, **attributes: str) -> dict[str, Any]:
    """A message, or the text of one, as Lambda gets it from SQS, with these message attributes."""
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt-{message_id}",
        "body": content if isinstance(content, str) else write_message(content),
        "attributes": {"ApproximateReceiveCount": str(receives)},
        "messageAttributes": {name: {"stringValue": value, "dataType": "String"} for name, value in attributes.items()},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:spool",
        "awsRegion": "us-east-1",
    }


def spooled_events(text: str) -> list[dict[str, Any]]:
    """The events of a message of the spool, of either version."""
    content = json.loads(text)
    return [event for parcel in content.get("parcels", [content]) for event in parcel["events"]]


def edge(*answers: Answer | AdobeError | int) -> FakeEdge:
    """A FakeEdge; a bare number is an answer with that status and no body."""
    return FakeEdge([Answer(answer, {}, b"") if isinstance(answer, int) else answer for answer in answers])


@dataclass
class FakeQueue:
    """A queue that remembers; it fails to store the messages at these places of a call, or raises."""

    failing: set[int] = field(default_factory=set)
    error: Exception | None = None
    texts: list[str] = field(default_factory=list)
    attributes: list[Mapping[str, str]] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)  # receipts, in order
    seconds: float = 2.5

    def put(self, messages: Sequence[Outgoing], deadline: Deadline) -> set[int]:
        if self.error:
            raise self.error
        if not deadline.fits(self.seconds):
            return set(range(len(messages)))
        for place, message in enumerate(messages):
            if place not in self.failing:
                self.texts.append(message.text)
                self.delays.append(message.delay)
                self.attributes.append(message.attributes)
        return self.failing & set(range(len(messages)))

    def delete(self, receipts: Sequence[str], deadline: Deadline) -> bool:
        if self.error:
            raise self.error
        if not deadline.fits(self.seconds):
            return False
        self.deleted += receipts
        return True

    def event_ids(self) -> set[str]:
        return {found for text in self.texts for found in ids(spooled_events(text))}


@dataclass
class FakeAuthorizer:
    """Authorizations token-1, token-2, …; a new one for every one that is refused. Or an error."""

    error: AdobeError | None = None
    minted: int = 1
    distrusted: bool = False

    def authorization(self, deadline: Deadline) -> Authorization:
        if self.error:
            raise self.error
        return Authorization(f"token-{self.minted}", CREDENTIALS.client_id, CREDENTIALS.org_id)

    def replace(self, refused: Authorization, deadline: Deadline) -> Authorization:
        self.minted += 1
        return self.authorization(deadline)

    def distrust(self) -> None:
        self.distrusted = True


@dataclass
class FakeCampaign:
    """Campaign, giving these answers in turn and the last one for ever; keeps what it was asked, and the time left."""

    answers: list[Answer | AdobeError]
    asked: list[tuple[str, ...]] = field(default_factory=list)
    left: list[float] = field(default_factory=list)

    def submit(self, mapping_id: str, authorization: Authorization, deadline: Deadline) -> Answer:
        return self._answer(deadline, "POST", mapping_id, authorization.token)

    def status(self, mapping_id: str, request_id: str, authorization: Authorization, deadline: Deadline) -> Answer:
        return self._answer(deadline, "GET", mapping_id, request_id, authorization.token)

    def _answer(self, deadline: Deadline, *asked: str) -> Answer:
        self.asked.append(asked)
        self.left.append(deadline.left())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, AdobeError):
            raise answer
        return answer


def report(status: str, http_status: int = 200, **members: Any) -> Answer:
    """An answer of Campaign's."""
    content = {"requestId": 3520, "info": "Mapping Id: 42.", "status": status, **members}
    return Answer(http_status, {}, json.dumps(content).encode())


@dataclass
class FakeCredentials:
    """A secret that holds these credentials, in turn, the last one for ever."""

    values: list[Credentials] = field(default_factory=lambda: [CREDENTIALS])

    def read(self, deadline: Deadline) -> Credentials:
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


@dataclass
class FakeTokenService:
    """IMS, minting token-1, token-2, … with this lifetime in seconds, or failing."""

    lifetime: float = 86_400
    error: AdobeError | None = None
    minted_for: list[Credentials] = field(default_factory=list)

    def mint(self, credentials: Credentials, now: float, deadline: Deadline) -> Token:
        if self.error:
            raise self.error
        self.minted_for.append(credentials)
        return Token(f"token-{len(self.minted_for)}", now + self.lifetime, self.lifetime)


class SandboxClient:
    """What a test orders from the sandbox at `url`, and what it asks it afterwards."""

    def __init__(self, url: str) -> None:
        self.url = url

    def reset(self) -> None:
        self._call("DELETE", "")

    def forget(self) -> None:
        self._call("DELETE", "/collected")

    def fault(self, **fault: Any) -> None:
        self._call("POST", "/faults", fault)

    def faults(self) -> list[dict[str, Any]]:
        return self._call("GET", "/faults").json()

    def count(self) -> int:
        return self._call("GET", "/count").json()

    def end_faults(self) -> None:
        self._call("DELETE", "/faults")

    def tokens(self, **change: Any) -> None:
        self._call("POST", "/tokens", change)

    def minted(self) -> list[str]:
        """Every token that has not been revoked."""
        return self._call("GET", "/tokens").json()

    def credentials(self, **change: Any) -> None:
        self._call("PUT", "/credentials", change)

    def script(self, mapping_id: str, **answers: list[Any]) -> None:
        self._call("PUT", f"/ingestions/{mapping_id}", answers)

    def ingestions(self) -> Any:
        return self._call("GET", "/ingestions").json()

    def edge(self, *, uuid_request_ids: bool) -> None:
        """Whether Edge refuses request ids that are no UUID; until the next reset."""
        self._call("PUT", "/edge", {"uuidRequestIds": uuid_request_ids})

    def collected(self) -> list[dict[str, Any]]:
        return self._call("GET", "/collected").json()

    def events(self) -> list[dict[str, Any]]:
        return [event for request in self.collected() for event in request["events"]]

    def arrived(self, *names: str) -> bool:
        """Whether Adobe has these events, and only these, each once; waits for them, since they may be on the spool."""
        expected = sorted(names)
        wait_until(lambda: self.count() >= len(expected), "events are missing", 60)
        return sorted(event["xdm"]["_id"] for event in self.events()) == expected

    def statuses(self, endpoint: str) -> list[int | None]:
        """Of every answer so far; None for a dropped connection."""
        answers = self._call("GET", "/requests").json()
        return [answer["status"] for answer in answers if answer["endpoint"] == endpoint]

    def _call(self, method: str, path: str, content: Any = None) -> requests.Response:
        response = requests.request(method, f"{self.url}/_sandbox{path}", json=content, timeout=10)
        response.raise_for_status()
        return response
