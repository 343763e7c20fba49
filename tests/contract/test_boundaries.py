"""Who may import whom, and what every folder is called."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import PROJECT, template

RELAY = PROJECT / "layers/shared/relay"
FUNCTIONS = sorted((PROJECT / "functions").glob("*/app.py"))

# What a decision may use: no AWS, HTTP, clock, randomness, disk, environment.
PURE = {
    "collections", "dataclasses", "datetime", "email", "enum", "itertools", "json", "math", "re", "types", "typing",
    "urllib.parse", "uuid",
}  # fmt: skip


def imports(file: Path) -> Iterator[str]:
    """Full names of the modules that the file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def files(folder: Path) -> list[object]:
    return [pytest.param(file, id=str(file.relative_to(PROJECT))) for file in sorted(folder.rglob("*.py"))]


@pytest.mark.parametrize("file", files(RELAY / "core"))
def test_core_decides_and_does_nothing_else(file: Path):
    """It knows itself and the pure part of the standard library."""
    foreign = {name for name in imports(file) if not {name, name.split(".")[0]} & PURE}

    assert {name for name in foreign if not name.startswith("relay.core")} == set()


@pytest.mark.parametrize("file", files(RELAY / "adapters"))
def test_adapters_know_core_errors_and_their_own_kind(file: Path):
    """They translate for the shells, and do not know them."""
    ours = {name for name in imports(file) if name.split(".")[0] == "relay"}

    assert {name for name in ours if not name.startswith(("relay.core", "relay.adapters", "relay.errors"))} == set()


@pytest.mark.parametrize("file", files(RELAY))
def test_wiring_alone_builds_adapters(file: Path):
    """One composition root."""
    knows_adapters = any(name.startswith("relay.adapters") for name in imports(file))

    assert not knows_adapters or file.name == "wiring.py" or file.parent.name == "adapters"


@pytest.mark.parametrize("file", FUNCTIONS, ids=str)
def test_functions_know_the_shells(file: Path):
    """A door parses, calls one thing, answers: it needs neither adapters nor core."""
    ours = {name for name in imports(file) if name.split(".")[0] == "relay"}

    assert {name for name in ours if name.startswith(("relay.core", "relay.adapters"))} == set()


@pytest.mark.parametrize("file", files(PROJECT / "layers"))
def test_what_is_deployed_knows_nothing_of_this_repository(file: Path):
    """The standard library, the layer's requirements, and what the runtime brings."""
    allowed = {"relay", "aws_lambda_powertools", "botocore", "boto3", "requests", "urllib3"} | sys.stdlib_module_names
    found = {name.split(".")[0] for name in imports(file)}

    assert {name for name in found if not name.startswith("mypy_boto3")} <= allowed  # stubs are for the type checker


@pytest.mark.parametrize("file", files(PROJECT / "local"))
def test_local_mode_knows_the_template_and_not_the_code(file: Path):
    """What is deployed is run as it is, so there is nothing to import."""
    assert {name for name in imports(file) if name.split(".")[0] in ("relay", "functions", "tests")} == set()


@pytest.mark.parametrize("file", files(RELAY))
def test_the_environment_is_read_in_one_place(file: Path):
    """Settings, handed on by wiring."""
    assert "os" not in set(imports(file)) or file.name == "wiring.py"


@pytest.mark.parametrize("file", FUNCTIONS, ids=str)
def test_one_name_from_folder_to_test(file: Path):
    """Folder poll_ingest = resource PollIngestFunction = test_poll_ingest.py = events/poll_ingest.json."""
    name = file.parent.name
    resource = template()["Resources"]["".join(part.title() for part in name.split("_")) + "Function"]

    assert resource["Properties"]["CodeUri"] == f"functions/{name}/"
    assert (PROJECT / f"tests/unit/test_{name}.py").exists()
    assert (PROJECT / f"events/{name}.json").exists()
    assert [path.name for path in file.parent.glob("*.*")] == ["app.py"]


def test_every_function_has_a_folder():
    """And no folder is left over."""
    resources = template()["Resources"].values()
    code = {item["Properties"]["CodeUri"] for item in resources if item["Type"] == "AWS::Serverless::Function"}

    assert code == {f"functions/{file.parent.name}/" for file in FUNCTIONS}
