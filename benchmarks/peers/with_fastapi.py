"""`python -m benchmarks.peers.with_fastapi URL`: FastAPI behind Mangum, forwarding with httpx."""

import sys

import httpx
from fastapi import FastAPI
from mangum import Mangum

from benchmarks.peers.batch import CONNECT_SECONDS, HEADERS, PARAMETERS, PATH, READ_SECONDS, Batch
from benchmarks.peers.on_demand import Handler, time_on_demand


def handler(url: str) -> Handler:
    """The client blocks, as a Lambda environment serves one request at a time.

    httpx.AsyncClient takes a quarter longer, an endpoint that FastAPI runs in a thread one and a half times as long.
    """
    app = FastAPI()
    client = httpx.Client(headers=HEADERS, timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS))

    @app.post(PATH, status_code=202)
    async def collect(batch: Batch) -> dict[str, int]:
        client.post(f"{url}{PATH}", params=PARAMETERS, content=batch.body()).raise_for_status()
        return {"accepted": len(batch.events)}

    return Mangum(app, lifespan="off")


if __name__ == "__main__":
    time_on_demand(handler(sys.argv[1]))
