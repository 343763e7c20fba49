"""The ids of parts of a request."""

import uuid

import pytest

from relay.core.request_id import is_uuid, part_id


def test_a_part_has_a_uuid_that_is_the_same_every_time():
    """Made of the client's id and the places of its events."""
    assert uuid.UUID(part_id("mine", [0, 2])).version == 5
    assert part_id("mine", [0, 2]) == part_id("mine", (0, 2)) == "09f7bf1e-88da-53d0-989f-ff33cf427d02"


def test_parts_that_differ_have_ids_that_differ():
    assert len({part_id("a", [0]), part_id("a", [1]), part_id("a", [0, 1]), part_id("b", [0]), part_id("a 0", [])}) == 5


@pytest.mark.parametrize(
    ("request_id", "expected"),
    [
        ("f567a988-4b3c-45a6-9ed8-f283188a445e", True),
        ("F567A988-4B3C-45A6-9ED8-F283188A445E", True),
        ("f567a988-4b3c-45a6-9ed8-f283188a445e-2", False),
        ("f567a9884b3c45a69ed8f283188a445e", False),
        ("mine", False),
        ("", False),
    ],
)
def test_a_uuid_is_known_by_its_form(request_id: str, expected: bool):
    assert is_uuid(request_id) is expected
