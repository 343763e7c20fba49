"""`python -m benchmarks.sink PORT`: a server that takes everything at once, as IMS and as Edge."""

import sys
from typing import Any

import uvicorn

_TOKEN = b'{"access_token": "t", "token_type": "bearer", "expires_in": 86399}'
_TAKEN = b'{"requestId": "r"}'


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    is_ims = scope["path"].startswith("/ims")
    body = _TOKEN if is_ims else _TAKEN
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200 if is_ims else 202, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
