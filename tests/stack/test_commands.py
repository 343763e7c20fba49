"""What the README tells people to type, typed in a copy of this checkout."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from local.process import choose_port, running, wait_until
from local.stack import Stack, client, client_environment
from tests.stack.conftest import copy_checkout, readme_block, shell
from tests.support import PROJECT, SandboxClient, batch, ids, template


@pytest.fixture(scope="module")
def used_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout for commands that change nothing in it: the second finds what the first has built."""
    return copy_checkout(tmp_path_factory.mktemp("used"))


def make(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=checkout, env=os.environ | environment, capture_output=True, text=True, check=False
    )


@contextmanager
def started(checkout: Path, **environment: str) -> Iterator[tuple[dict[str, str], list[str]]]:
    """`make start`, ready: what .local/stack.json holds, and what has been printed."""
    log = checkout / "start.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["make", "start"], cwd=checkout, env=os.environ | environment,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: "Ctrl-C stops" in log.read_text() or process.poll() is not None, log.read_text(), 120)
        yield json.loads((checkout / ".local/stack.json").read_text()), log.read_text().splitlines()
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
        process.wait(30)


def processes_of(checkout: Path) -> list[str]:
    """Command lines that name the checkout."""
    lines = [path.read_bytes().replace(b"\0", b" ").decode() for path in Path("/proc").glob("[0-9]*/cmdline")]
    return [line for line in lines if str(checkout) in line]


def test_make_demo_shows_what_the_readme_shows(used_checkout: Path):
    """And ends with 0 and with nothing left behind."""
    result = make(used_checkout, "demo")

    shown = (PROJECT / "README.md").read_text().split("```\n--- The same batch")[1].split("```")[0]
    assert result.returncode == 0, result.stdout + result.stderr
    assert without_new_names(shown) in without_new_names(result.stdout)
    assert processes_of(used_checkout) == []
    assert not list((used_checkout / ".local").glob("run-*"))


def without_new_names(text: str) -> str:
    """Those that are other ones each time."""
    return re.sub(r'"requestId": "[^"]*"|:execution:\S*', "", text)


def test_make_start_stays_until_ctrl_c(used_checkout: Path):
    """Its lines work as printed, its file says where everything is, and Ctrl-C leaves nothing."""
    with started(used_checkout) as (stack, printed):
        sandbox = SandboxClient(stack["adobe_url"])
        sent, submit, status, seen, down, up = commands(printed, "curl")
        (dead_letters,) = commands(printed, "AWS_ENDPOINT_URL")
        first = shell(sent)
        collected = shell(seen)
        shell(down)
        second = shell(sent)
        shell(up)
        wait_until(lambda: len(sandbox.events()) == 2, "what was sent in the outage is missing", 60)
        submitted = json.loads(shell(submit).splitlines()[-1])
        ingestion = status.replace("3520", str(submitted["requestId"]))
        wait_until(lambda: '"Success"' in shell(ingestion), "the ingestion does not end", 60)
        logged = make(used_checkout, "logs")
        listed = shell(f"cd {used_checkout}; {dead_letters}")

    assert set(stack) == {
        "api_url", "api_key", "adobe_url", "aws_endpoint_url", "region", "spool_url", "dead_letters_url",
        "state_machine_arn", "organization",
    }  # fmt: skip
    assert [answer.split()[1] for answer in (first, second)] == ["202", "202"]
    assert json.loads(collected)[0]["events"][0]["xdm"]["eventType"] == "web.webpagedetails.pageViews"
    assert '"message":"messages redelivered"' in logged.stdout
    assert listed == "There are no dead letters.\n"
    assert processes_of(used_checkout) == []
    assert not (used_checkout / ".local/stack.json").exists()


def commands(printed: list[str], start: str) -> list[str]:
    text = "\n".join(printed).replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip().startswith(start)]


def test_make_start_can_use_other_servers_and_credentials(used_checkout: Path, tmp_path: Path):
    """EDGE_URL, IMS_URL, CAMPAIGN_URL and ADOBE_CREDENTIALS: a real organisation, for example."""
    credentials = tmp_path / "credentials.json"
    members = {"client_id": "mine", "client_secret": "p8e-x.~+/=", "org_id": "AB@AdobeOrg", "scopes": "openid,AdobeID"}
    credentials.write_text(json.dumps(members))
    url = f"http://127.0.0.1:{choose_port('UNSET')}"
    command: list[str | Path] = [sys.executable, "-m", "local.sandbox", "--port", url.rpartition(":")[2]]
    command += ["--credentials", credentials]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    addresses = {"EDGE_URL": url + "/", "IMS_URL": url, "CAMPAIGN_URL": url, "ADOBE_CREDENTIALS": str(credentials)}
    with running("sandbox", command, environment, tmp_path / "log", f"{url}/_sandbox/requests"):
        with started(used_checkout, **addresses) as (stack, printed):
            answer = requests.post(
                f"{stack['api_url']}/ee/v2/collect?datastreamId=d",
                headers={"x-api-key": stack["api_key"]},
                json=batch("a"),
                timeout=40,
            )
        taken = ids(SandboxClient(url).events())

    assert answer.status_code == 202
    assert taken == {"a"}
    assert stack["adobe_url"] == url
    assert "sandbox" not in "\n".join(printed)
    assert "p8e-x" not in "\n".join(printed)


def test_a_port_that_is_taken_is_one_clear_sentence(checkout: Path):
    """And a non-zero exit, and nothing left running."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = make(checkout, "demo", EMULATOR_PORT=str(port))

    assert result.returncode != 0
    assert f"error: Port {port} is taken; set EMULATOR_PORT to another one" in result.stderr
    assert "Traceback" not in result.stderr
    assert processes_of(checkout) == []


def test_a_missing_python_is_one_clear_sentence(checkout: Path):
    """On a machine that has never made the environments."""
    (checkout / ".local/uv").unlink()
    (checkout / ".venv").unlink()

    result = make(checkout, "demo", PYTHON="no-such-python")

    assert result.returncode != 0
    assert "error: no-such-python is not on this machine: install Python 3.11 or newer" in result.stderr


def test_credentials_that_cannot_be_read_are_one_clear_sentence(checkout: Path):
    """With what the file has to hold."""
    result = make(checkout, "start", ADOBE_CREDENTIALS="/no/such/file")

    assert result.returncode != 0
    assert "error: ADOBE_CREDENTIALS=/no/such/file is not a readable JSON file with client_id" in result.stderr


def test_a_deployment_that_fails_is_one_clear_sentence(checkout: Path):
    """With the path of what SAM said, which is still there, and nothing left running."""
    template = checkout / "template.yaml"
    template.write_text(template.read_text().replace("AWS::SecretsManager::Secret", "AWS::No::SuchThing"))

    result = make(checkout, "demo")

    said = re.search(r"error: sam (?:build|deploy) failed; what it said is in (\S+)\.\n", result.stderr)
    assert result.returncode != 0
    assert said
    assert (checkout / said[1]).read_text()
    assert processes_of(checkout) == []


def test_the_readmes_two_commands_deploy(checkout: Path, stack: Stack):
    """`sam build` and `sam deploy --guided`, with an answer only to what has no default."""
    block = readme_block("sam deploy --guided")
    environment = client_environment(stack.aws_endpoint_url, checkout)
    environment["PATH"] = f"{PROJECT}/.venv/bin:{environment['PATH']}"

    result = subprocess.run(
        ["bash", "-euc", block], cwd=checkout, env=environment, input="\n".join(guided_answers()),
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout + result.stderr
    cloudformation = client("cloudformation", stack.aws_endpoint_url)
    outputs = cloudformation.describe_stacks(StackName="mine")["Stacks"][0]["Outputs"]
    assert {output["OutputKey"] for output in outputs} >= {"ApiUrl", "ApiKeyId", "ReadApiKey"}
    assert "top-secret" not in (checkout / "samconfig.toml").read_text()
    cloudformation.delete_stack(StackName="mine")


def guided_answers() -> list[str]:
    """In the order in which SAM asks; empty for what is there."""
    parameters = {"AdobeClientId": "mine", "AdobeClientSecret": "top-secret", "AdobeOrgId": "AB@AdobeOrg"}
    stack_name_and_region = ["mine", ""]
    confirm_roles_rollback_save_file_environment = [""] * 6
    deploy_this_changeset = ["y", ""]
    return [
        *stack_name_and_region,
        *(parameters.get(name, "") for name in template()["Parameters"]),
        *confirm_roles_rollback_save_file_environment,
        *deploy_this_changeset,
    ]
