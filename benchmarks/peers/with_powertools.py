"""`python -m benchmarks.peers.with_powertools URL`: Powertools' resolver with validation, forwarding with requests."""

import sys

import requests
from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from benchmarks.peers.batch import CONNECT_SECONDS, HEADERS, PARAMETERS, PATH, READ_SECONDS, Batch
from benchmarks.peers.on_demand import Handler, time_on_demand


def handler(url: str) -> Handler:
    app = APIGatewayRestResolver(enable_validation=True)
    session = requests.Session()
    session.headers.update(HEADERS)
    timeout = (CONNECT_SECONDS, READ_SECONDS)

    @app.post(PATH)
    def collect(batch: Batch) -> tuple[dict[str, int], int]:
        session.post(f"{url}{PATH}", params=PARAMETERS, data=batch.body(), timeout=timeout).raise_for_status()
        return {"accepted": len(batch.events)}, 202

    return app.resolve


if __name__ == "__main__":
    time_on_demand(handler(sys.argv[1]))
