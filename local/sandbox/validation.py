"""What Edge refuses about a collect request's body: each check returns, or raises Refused."""

import json
import re
from collections.abc import Sequence
from typing import Any

MAX_REQUEST_BYTES = 64_000
CONTENT_TYPES = ("application/json", "text/plain", "text/javascript")

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OVERRIDES = "meta.configOverrides"


class Refused(Exception):
    """EXEG-`code`; `index` is the place of the guilty event, `errors` are the sentences of the report."""

    def __init__(self, code: str, index: int = 0, errors: Sequence[str] = ()) -> None:
        super().__init__(code)
        self.code, self.index, self.errors = code, index, errors


def is_uuid(value: Any) -> bool:
    """Whether it is a text in the usual form of a UUID, of any version."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def read_body(content_type: str, body: bytes) -> Any:
    """The JSON value in the body."""
    if content_type.partition(";")[0].strip().lower() not in CONTENT_TYPES:
        raise Refused("0111-415")
    if not body:
        raise Refused("0109-408")
    if len(body) > MAX_REQUEST_BYTES:
        raise Refused("0112-413")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # packed bodies too: Edge takes neither gzip nor Smile
        raise Refused("0101-400") from error


def check_batch(content: Any) -> None:
    """The request's own members first, then each event."""
    if not isinstance(content, dict) or not isinstance(content.get("events"), list):
        raise Refused("0102-400")
    if not all(isinstance(content.get(member, {}), dict) for member in ("meta", "query")):
        raise Refused("0102-400")
    if not content["events"]:
        raise Refused("0103-400")
    if errors := _override_errors(content.get("meta", {}).get("configOverrides", {})):
        raise Refused("0113-400", errors=errors)
    for index, event in enumerate(content["events"]):
        _check_event(event, index)


def _check_event(event: Any, index: int) -> None:
    if not isinstance(event, dict) or not isinstance(event.get("xdm", {}), dict):
        raise Refused("0102-400")
    identity_map = event.get("xdm", {}).get("identityMap", {})
    if not isinstance(identity_map, dict):
        raise Refused("0102-400")
    identities = []
    for namespace in identity_map.values():
        if not isinstance(namespace, list) or not all(isinstance(identity, dict) for identity in namespace):
            raise Refused("0102-400")
        identities += namespace
    if not any(identity.get("primary") in (True, "true") for identity in identities):
        raise Refused("0306-400", index)
    if not all(is_uuid(identity.get("id")) for identity in identity_map.get("FPID", [])):
        raise Refused("0308-400", index)


def _override_errors(overrides: Any) -> list[str]:
    """What is wrong with `meta.configOverrides`, by the shapes that Adobe's Web SDK documents, and no stricter."""
    if not isinstance(overrides, dict):
        return [f"{_OVERRIDES} must be an object"]
    odd = (name for name, value in overrides.items() if not isinstance(value, dict))
    errors = [f"{_OVERRIDES}.{name} must be an object" for name in odd]
    platform, analytics = overrides.get("com_adobe_experience_platform"), overrides.get("com_adobe_analytics")
    if isinstance(platform, dict):
        errors += _dataset_errors(platform.get("datasets", {}))
    if isinstance(analytics, dict) and not _is_list_of_ids(analytics.get("reportSuites", [])):
        errors.append(f"{_OVERRIDES}.com_adobe_analytics.reportSuites must be an array of report suite IDs")
    return errors


def _dataset_errors(datasets: Any) -> list[str]:
    path = f"{_OVERRIDES}.com_adobe_experience_platform.datasets"
    if not isinstance(datasets, dict):
        return [f"{path} must be an object"]
    errors = []
    for name, dataset in datasets.items():
        if not isinstance(dataset, dict):
            errors.append(f"{path}.{name} must be an object")
        elif "datasetId" in dataset and not _is_id(dataset["datasetId"]):
            errors.append(f"{path}.{name}.datasetId must be a dataset ID")
    return errors


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_list_of_ids(value: Any) -> bool:
    return isinstance(value, list) and all(_is_id(member) for member in value)
