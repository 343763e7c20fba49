"""What the functions log, as the lines that they write."""

import io
import logging
import os
from collections.abc import Iterator

import pytest

import functions.collect.app  # noqa: F401 - makes the logger, also when a test file runs alone


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Lines of JSON, as every function's logger formats them."""
    logger = logging.getLogger(os.environ["POWERTOOLS_SERVICE_NAME"])
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logger.handlers[0].formatter)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
