"""`python -m local.sandbox --port N`: the Adobe sandbox on the loopback interface, until it is stopped."""

import argparse
import json
from pathlib import Path

import uvicorn

from local.sandbox.server import DroppableProtocol, create_app

parser = argparse.ArgumentParser(prog="python -m local.sandbox", description=__doc__)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--credentials", type=Path, help="JSON file: client_id, client_secret, org_id, scopes")
arguments = parser.parse_args()
credentials = json.loads(arguments.credentials.read_text()) if arguments.credentials else None
uvicorn.run(
    create_app(credentials),
    host="127.0.0.1",
    port=arguments.port,
    http=DroppableProtocol,
    access_log=False,
    log_level="warning",
)
