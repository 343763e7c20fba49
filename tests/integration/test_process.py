"""Servers as child processes: what is started is stopped, and what stands in the way is said in one sentence."""

import os
import socket
import sys
from pathlib import Path

import pytest

from local.process import LocalError, choose_port, running, wait_until

# A server that starts a child which ignores a polite request to end, and writes down the child's process id.
STUBBORN = """
import http.server, pathlib, signal, subprocess, sys
if len(sys.argv) == 2:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, __file__, "child", "0"])
    pathlib.Path(__file__).with_name("pid").write_text(str(child.pid))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    handler = http.server.SimpleHTTPRequestHandler
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
signal.pause()
"""


def start(tmp_path: Path, *command: str):
    port = choose_port("UNSET")
    return running("It", [*command, str(port)], os.environ, tmp_path / "log", f"http://127.0.0.1:{port}/")


def is_alive(pid: int) -> bool:
    """Neither gone nor a zombie that waits to be buried."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes where Linux lists them")
def test_a_server_is_stopped_with_all_that_it_started(tmp_path: Path):
    """Children that ignore a polite request included."""
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)

    with start(tmp_path, sys.executable, str(script)) as server:
        child = int((tmp_path / "pid").read_text())
        was_alive = is_alive(child)

    assert was_alive
    assert server.poll() is not None
    wait_until(lambda: not is_alive(child), "the child lives on", seconds=5)


def test_a_server_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path):
    """And with the path of its log."""
    with (
        pytest.raises(LocalError, match="no such luck") as raised,
        start(tmp_path, sys.executable, "-c", "exit('no such luck')"),
    ):
        pass

    assert str(tmp_path / "log") in str(raised.value)


def test_a_port_that_is_taken_is_told(monkeypatch: pytest.MonkeyPatch):
    """With the variable that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        monkeypatch.setenv("SANDBOX_PORT", str(taken))
        with pytest.raises(LocalError, match=f"Port {taken} is taken; set SANDBOX_PORT"):
            choose_port("SANDBOX_PORT")


@pytest.mark.parametrize("port", ["x", "70000", "-1"])
def test_a_port_that_is_no_number_is_told(monkeypatch: pytest.MonkeyPatch, port: str):
    """Not a traceback."""
    monkeypatch.setenv("SANDBOX_PORT", port)

    with pytest.raises(LocalError, match=f"SANDBOX_PORT={port} is not a port number"):
        choose_port("SANDBOX_PORT")
