"""What tools know of weaknesses: in the template, and in the packages that the layer carries into Lambda."""

import re
import subprocess

import pytest

from tests.support import PROJECT

TOOLS = PROJECT / ".venv-audit/bin"


def test_checkov_finds_no_weakness_in_the_template():
    """But for those that .checkov.yaml gives a reason for."""
    result = subprocess.run(
        [TOOLS / "checkov", "-f", "template.yaml", "--config-file", ".checkov.yaml"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout + result.stderr


def test_every_suppression_has_a_reason():
    """Its own."""
    lines = (PROJECT / ".checkov.yaml").read_text().split("skip-check:\n")[1].splitlines()

    assert [line for line in lines if not re.search(r"CKV\w+ +# \S", line)] == []


def test_no_package_of_the_layer_has_a_known_weakness():
    """By pip-audit, where the data of known weaknesses can be reached."""
    result = subprocess.run(
        [TOOLS / "pip-audit", "-r", "layers/shared/requirements.txt", "--disable-pip", "--require-hashes",
         "--progress-spinner", "off", "--timeout", "10", "--strict"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode and re.search("not found on PyPI|[Cc]onnection|timed out", result.stderr):
        pytest.skip("the data of known weaknesses cannot be reached from here")

    assert result.returncode == 0, result.stdout + result.stderr
