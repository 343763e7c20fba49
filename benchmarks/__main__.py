"""`make bench`: what serving costs, against what it cannot cost less than.

Every figure is a ratio of two things measured in turn in the same run, the median of its rounds with their spread, so
that it can be compared between machines. Time is that of this machine, without API Gateway and Lambda.
"""

import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

os.environ |= {"POWERTOOLS_LOG_LEVEL": "CRITICAL", "POWERTOOLS_METRICS_NAMESPACE": "AdobeRelay"}
os.environ |= {"POWERTOOLS_SERVICE_NAME": "relay"}
_screen, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: PTH123, SIM115 - the functions write their metrics there

from benchmarks import cold, tls, warm
from benchmarks.timing import ROUNDS, seconds
from functions.collect.app import handler as collect
from functions.redeliver.app import handler as redeliver
from local.process import choose_port, running
from relay.accept import Acceptor
from relay.adapters.edge import Edge
from relay.adapters.http import Http, Timeouts
from relay.adapters.ims import Ims
from relay.authorize import Authorizer
from relay.collect import Collect
from relay.core.envelope import FRAME_BYTES, Envelope
from relay.core.events import MAX_REQUEST_BYTES, UNIT_BYTES, Event
from relay.core.message import Message, Parcel
from relay.core.packing import pack
from relay.core.verdict import Answer
from relay.delivery.redeliver import Redeliverer
from relay.forward import Forwarder
from tests.support import FakeAuthorizer, FakeCredentials, FakeEdge, FakeQueue, context, edge, event, post, sqs_record


def report(name: str, ratios: list[float], limit: float | None, note: str) -> bool:
    """A line for people; whether the median keeps the limit, if there is one."""
    median = statistics.median(ratios)
    kept = limit is None or median <= limit
    verdict = "" if limit is None else f"limit {limit:<5} {'ok' if kept else 'OVER'}"
    _screen.write(f"{name:37} {median:6.2f}  ({min(ratios):.2f} … {max(ratios):.2f})  {verdict:16}  {note}\n")
    _screen.flush()
    return kept


@contextmanager
def sink() -> Iterator[str]:
    port = choose_port("SINK_PORT")
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        command: list[str | Path] = [sys.executable, "-m", "benchmarks.sink", str(port)]
        with running("The sink", command, os.environ, Path(folder) / "log", url):
            yield url


def forwarder(url: str, other: FakeEdge | None = None) -> Forwarder:
    timeouts = Timeouts(2, 9)
    authorizer = Authorizer(FakeCredentials(), Ims(url, Http(timeouts)), time.time)
    return Forwarder(other or Edge(url, Http(timeouts)), authorizer, time.time)


def collector(url: str, other: FakeEdge | None = None) -> Collect:
    return Collect(Acceptor(forwarder(url, other), FakeQueue(), time.time), lambda: None, set(), time.time)  # type: ignore[arg-type, return-value]


def warm_collect(url: str) -> bool:
    content = {"events": [event(str(n), timestamp="2021-08-09T14:09:20.859Z", text="x" * 300) for n in range(100)]}
    body = json.dumps(content).encode()
    request, served = warm.proxy_event(body), collector(url)

    def serve() -> None:
        assert collect(request, context(), served)["statusCode"] == 202

    rounds = warm.measure(url, body, request, serve)
    note = f"100 events, {len(body) // 1000} KB, same sink"
    return all([
        report("warm collect / bare post", [one.ours / one.bare for one in rounds], 1.25, note),
        report("FastAPI + Mangum + httpx / bare post", [one.fastapi / one.bare for one in rounds], None, note),
        report("Powertools resolver / bare post", [one.powertools / one.bare for one in rounds], None, note),
        report("warm collect / FastAPI peer", [one.ours / one.fastapi for one in rounds], 1.0, note),
        report("warm collect / Powertools peer", [one.ours / one.powertools for one in rounds], 1.0, note),
    ])  # fmt: skip


def open_breaker(url: str) -> bool:
    """Callers of an outage pay for our work and the spool's, not for Adobe's timeouts; here the spool costs nothing."""
    request = post({"events": [event(str(n), text="x" * 300) for n in range(100)]})
    usual, spared = collector(url), collector(url, edge(Answer(503, {"retry-after": "600"}, b"")))
    for served in (usual, spared):
        collect(request, context(), served)  # the token is there, and the breaker is open
    ratios = []
    for _ in range(ROUNDS):
        normal = seconds(lambda: collect(request, context(), usual), 40)
        ratios.append(seconds(lambda: collect(request, context(), spared), 40) / normal)
    return report("collect with the breaker open / usual", ratios, 1.0, "100 events, 45 KB")


def drain(url: str) -> bool:
    """Messages of 64 KB from the spool, against bare posts of the same bytes."""
    body = json.dumps(event("a", text="x" * 500)).encode()
    events = tuple(Event(index, body) for index in range(100))
    parcels = [Parcel(f"r{number}", f"r{number}", time.time(), events, 1) for number in range(10)]
    batch = {"Records": [sqs_record(Message(Envelope("d"), (parcel,)), parcel.request_id) for parcel in parcels]}
    queue = FakeQueue()
    redeliverer = Redeliverer(forwarder(url), queue, queue, None, random.random, time.time)  # type: ignore[arg-type]
    payload = b'{"events":[' + b",".join([body] * 100) + b"]}"
    ratios, rates = [], []
    for _ in range(ROUNDS):
        bare = seconds(lambda: requests.post(f"{url}/ee/v2/collect", data=payload, timeout=9), 20)
        ours = seconds(lambda: redeliver(batch, context(), redeliverer), 4) / 10
        ratios.append(ours / bare)
        rates.append(100 / ours)
    return report("redeliver a message / bare post", ratios, 2.0, f"{statistics.median(rates):,.0f} events a second")


def units() -> bool:
    """What a thousand events of 1 KB use of Adobe's quota when their clients do not wait, over one request for each."""
    ratios = []
    for seed in range(ROUNDS):
        chance = random.Random(seed)  # noqa: S311
        bodies = [json.dumps(event(str(n), text="x" * (900 + chance.randrange(20)))).encode() for n in range(1_000)]
        messages = [
            Message(Envelope("d"), (Parcel(f"r{n}", f"r{n}", time.time(), (Event(0, body),), 0),))
            for n, body in enumerate(bodies)
        ]
        fake, queue = edge(202), FakeQueue()
        sending = Forwarder(fake, FakeAuthorizer(), time.time)
        redeliverer = Redeliverer(sending, queue, queue, None, random.random, time.time)  # type: ignore[arg-type]
        redeliver({"Records": [sqs_record(m, str(n)) for n, m in enumerate(messages)]}, context(), redeliverer)
        packed = sum(math.ceil(len(sent["body"]) / UNIT_BYTES) for sent in fake.sent)
        ratios.append(packed / sum(math.ceil(len(Envelope("d").body([body])) / UNIT_BYTES) for body in bodies))
    return report("request units, packed / one by one", ratios, 0.143, "1,000 messages of one event of 1 KB")


def packing() -> bool:
    ratios = []
    for seed in range(ROUNDS):
        chance = random.Random(seed)  # noqa: S311
        sizes = [min(60_000, int(chance.lognormvariate(6.5, 1.2)) + 50) for _ in range(3_000)]
        groups = list(pack((Event(index, b"x" * size) for index, size in enumerate(sizes)), FRAME_BYTES))
        ratios.append(len(groups) / math.ceil(sum(sizes) / MAX_REQUEST_BYTES))
    return report("Edge requests / bytes over 64,000", ratios, 1.1, "3,000 events, median 0.7 KB, up to 60 KB")


def memory(url: str) -> bool:
    """Of a function that has served one request of 6 MB, libraries included, over the 200 MB it may take."""
    command = [sys.executable, "-m", "benchmarks.memory", url]
    megabytes = [
        float(subprocess.run(command, env=os.environ, capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    note = f"{statistics.median(megabytes):.0f} MB in all, for a request of 6 MB"
    return report("peak memory / 200 MB", [found / 200 for found in megabytes], 1.0, note)


def main() -> int:
    with sink() as url:
        kept = [warm_collect(url), open_breaker(url), drain(url), memory(url)]
    kept += [
        report("TLS connection / with its own bundle", tls.measure(), 0.5, "a request and its answer included"),
        report("cold import / its libraries", cold.measure(), 1.05, "boto3, requests, Logger, Metrics"),
        packing(),
        units(),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
