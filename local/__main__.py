"""The whole stack on this machine: `make demo`, `make start`, `make logs`."""

import argparse
import signal
import sys
from types import FrameType

from local import demo, logs, start
from local.process import LocalError

COMMANDS = {"demo": demo.run, "start": start.run, "logs": logs.run}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args().command
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # whatever ends us, all we started is stopped
        signal.signal(signal_number, _interrupt)  # SIGINT, too: a shell starts background jobs with it ignored
    try:
        return COMMANDS[command]()
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
        return 0 if command == "start" else 130


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)  # stopping is under way, and is done once
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
