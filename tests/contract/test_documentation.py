"""The documentation says what is so."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from relay.adapters.http import USER_AGENT
from tests.support import PROJECT, template

README = (PROJECT / "README.md").read_text()
PAGES = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").glob("*.md"))]

# Every command of the README, and the test (or CI) that runs it.
COMMANDS = {
    "make demo": "tests/stack/test_commands.py::test_make_demo_shows_what_the_readme_shows",
    "make start": "tests/stack/test_commands.py::test_make_start_stays_until_ctrl_c",
    "make logs": "tests/stack/test_commands.py::test_make_start_stays_until_ctrl_c",
    "sam build": "tests/stack/test_commands.py::test_the_readmes_two_commands_deploy",
    "sam deploy --guided": "tests/stack/test_commands.py::test_the_readmes_two_commands_deploy",
    "curl": "tests/stack/test_collect.py::test_the_readmes_curl_command_works",
    "curl …/ee/or2": "tests/stack/test_unchanged.py::test_the_readmes_curl_command_with_everything_works",
    "curl …Prefer": "tests/stack/test_collect.py::test_the_readmes_curl_command_that_does_not_wait_works",
    "curl …/ingest": "tests/stack/test_ingest_api.py::test_the_readmes_curl_commands_work",
    "aws stepfunctions": "tests/stack/test_operations.py::test_the_readmes_command_starts_an_execution",
    "python -m tools.dead_letters --help": "tests/stack/test_nothing_is_lost.py::test_a_dead_letter_is_replayed",
    "sam remote invoke": "tests/stack/test_operations.py::test_the_samples_can_be_invoked",
    "openapi-python-client generate": "tests/stack/test_operations.py::test_the_readmes_client_works",
    "make test": ".ci/run",
    "make check": ".ci/run",
}


def readme_commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if re.match(r"\w", line)]


def test_every_command_of_the_readme_is_run_by_a_test_or_by_ci():
    """What is not run is wrong sooner or later."""
    assert set(map(short, readme_commands())) == set(COMMANDS)


def short(command: str) -> str:
    """The name under which COMMANDS has it."""
    if command.startswith("curl"):
        return next((f"curl …{path}" for path in ("/ingest", "/ee/or2", "Prefer") if path in command), "curl")
    names = ("aws stepfunctions", "openapi-python-client generate", "sam remote invoke")
    return next((name for name in names if command.startswith(name)), command)


@pytest.mark.parametrize(("command", "where"), COMMANDS.items())
def test_the_test_that_runs_a_command_exists(command: str, where: str):
    """By file and name."""
    file, _, name = where.partition("::")
    text = (PROJECT / file).read_text()

    assert (f"def {name}(" if name else command) in text


def test_the_readme_lists_every_parameter_with_its_default():
    """And no other, in the order in which `sam deploy --guided` asks."""
    listed = dict(re.findall(r"^\| `([A-Z]\w+)` \| (?:`([^`]*)`)? ?\|", README, re.MULTILINE))
    parameters = {name: str(item.get("Default", "")) for name, item in template()["Parameters"].items()}

    assert list(listed.items()) == list(parameters.items())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    """Those into this repository."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_make_target_is_explained():
    """In `make help`."""
    makefile = (PROJECT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony

    assert set(re.findall(r"^(\w+):.*## ", makefile, re.MULTILINE)) == set(phony[1].split())


def test_ci_runs_every_folder_of_tests_once():
    """Some with `make check`, the others with `make test`."""
    makefile, ci = (PROJECT / "Makefile").read_text(), (PROJECT / ".ci/run").read_text()
    run = [*re.findall(r"tests/\w+", makefile.split("QUICK_TESTS = ")[1].split("\n")[0]), *re.findall(r"tests/\w+", ci)]

    assert sorted(run) == sorted({f"tests/{path.parent.name}" for path in (PROJECT / "tests").glob("*/test_*.py")})


def test_the_layer_is_built_from_the_lock_file():
    """requirements.txt holds the versions and hashes of uv.lock."""
    lock = tomllib.loads((PROJECT / "uv.lock").read_text())
    versions = {package["name"]: package.get("version") for package in lock["package"]}
    required = re.findall(
        r"^([\w-]+)==([\w.]+)", (PROJECT / "layers/shared/requirements.txt").read_text(), re.MULTILINE
    )

    assert {"requests", "aws-lambda-powertools"} <= {name for name, _ in required}
    assert {name: version for name, version in required if versions[name] != version} == {}


def test_the_layer_carries_no_boto3():
    """It is the runtime's own, and large."""
    assert not re.search("boto", (PROJECT / "layers/shared/requirements.txt").read_text())


def test_the_relay_names_itself_with_its_version():
    """In User-Agent, where no visitor has one."""
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]

    assert f"adobe-relay/{version}" == USER_AGENT


def test_the_changelog_has_the_version():
    """Of pyproject.toml."""
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]

    assert f"## {version}" in (PROJECT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("sample", sorted((PROJECT / "events").glob("*.json")), ids=lambda path: path.name)
def test_every_sample_event_is_used_by_a_test(sample: Path):
    """So that it never rots."""
    json.loads(sample.read_text())
    tests = "".join(path.read_text() for path in (PROJECT / "tests/stack").glob("*.py"))

    assert f"events/{sample.name}" in tests


def test_nothing_that_make_makes_is_committed():
    """The tree holds sources only."""
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True)

    made = re.compile(r"^(\.venv|\.local|\.aws-sam)|__pycache__|\.pyc$")
    assert [name for name in listed.stdout.splitlines() if made.search(name)] == []


def test_every_promise_names_tests_that_exist():
    """A sentence without a proof is an advertisement."""
    promises = (PROJECT / "docs/promises.md").read_text().split("\n## ")[1:]

    assert [promise.split(".")[0] for promise in promises] == [str(number) for number in range(1, 10)]
    for promise in promises:
        named = re.findall(r"^\* `(tests/\S+)::(\w+)`$", promise, re.MULTILINE)
        assert named, promise.splitlines()[0]
        missing = [(file, name) for file, name in named if not defines(PROJECT / file, name)]
        assert missing == []


def defines(file: Path, name: str) -> bool:
    return file.exists() and bool(re.search(rf"^(def|class) {name}\b", file.read_text(), re.MULTILINE))
