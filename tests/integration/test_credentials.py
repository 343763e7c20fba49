"""Adobe's credentials in Secrets Manager."""

import json
import time
from contextlib import nullcontext
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from relay.adapters.credentials import SECONDS, SecretsManagerCredentials
from relay.core.authorization import Credentials
from relay.core.deadline import Deadline
from relay.errors import AdobeError, OutOfTime, SetupError, Unreachable
from tests.support import NOW, Clock

WHOLE = {"client_id": "c", "client_secret": "s", "org_id": "o@AdobeOrg", "scopes": "openid"}


def soon() -> Deadline:
    return Deadline.after(10, time.time)


@pytest.fixture
def secrets_manager(aws: None) -> Any:
    return boto3.client("secretsmanager")


def test_the_secret_is_read_anew_each_time(secrets_manager: Any):
    """A rotated secret is seen by the next token."""
    secrets_manager.create_secret(Name="adobe", SecretString=json.dumps(WHOLE))
    store = SecretsManagerCredentials(secrets_manager, "adobe")

    before = store.read(soon())
    secrets_manager.put_secret_value(SecretId="adobe", SecretString=json.dumps(WHOLE | {"client_secret": "new"}))
    after = store.read(soon())

    assert before == Credentials(**WHOLE)
    assert after.client_secret == "new"


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("not JSON", id="not JSON"),
        pytest.param("[]", id="array"),
        pytest.param(json.dumps({**WHOLE, "client_secret": ""}), id="empty member"),
        pytest.param(json.dumps({**WHOLE, "client_id": "\u20ac"}), id="not ASCII"),
        pytest.param(json.dumps({**WHOLE, "org_id": "a\r\nb"}), id="line break"),
        pytest.param(json.dumps({**WHOLE, "scopes": ["openid"]}), id="scopes as a list"),
        pytest.param(json.dumps({"client_id": "c"}), id="members missing"),
    ],
)
def test_a_secret_that_is_not_whole_is_a_matter_of_setup(secrets_manager: Any, secret: str):
    """An operator must put it right; nothing of it is in the error."""
    secrets_manager.create_secret(Name="adobe", SecretString=secret)

    with pytest.raises(SetupError) as raised:
        SecretsManagerCredentials(secrets_manager, "adobe").read(soon())

    assert secret not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(ReadTimeoutError(endpoint_url="x"), Unreachable, id="no answer"),
        pytest.param((500, "InternalServiceError"), Unreachable, id="down"),
        pytest.param((400, "ThrottlingException"), Unreachable, id="throttled"),
        pytest.param((400, "AccessDeniedException"), SetupError, id="denied"),
        pytest.param((400, "DecryptionFailure"), SetupError, id="not decrypted"),
    ],
)
def test_only_what_a_person_must_mend_is_a_matter_of_setup(answer: Any, error: type[AdobeError]):
    """A slow or busy Secrets Manager mends itself."""

    class Client:
        def get_secret_value(self, **_: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            status, code = answer
            metadata: Any = {"HTTPStatusCode": status}
            raise ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "GetSecretValue")

    client: Any = Client()
    with pytest.raises(error):
        SecretsManagerCredentials(client, "adobe").read(soon())


def test_a_secret_that_is_not_there_is_a_matter_of_setup(secrets_manager: Any):
    """Deleted, or not allowed to read it: the same for the caller."""
    with pytest.raises(SetupError):
        SecretsManagerCredentials(secrets_manager, "adobe").read(soon())


@pytest.mark.parametrize(("left", "asked"), [(SECONDS, 1), (SECONDS - 0.01, 0)])
def test_the_secret_is_read_only_if_the_longest_answer_fits_in(left: float, asked: int):
    """Else Secrets Manager is not asked, and that says nothing of it."""
    calls = []

    class Client:
        def get_secret_value(self, **arguments: Any) -> Any:
            calls.append(arguments)
            return {"SecretString": json.dumps(WHOLE)}

    client: Any = Client()
    with nullcontext() if asked else pytest.raises(OutOfTime):
        SecretsManagerCredentials(client, "adobe").read(Deadline(NOW + left, Clock()))

    assert len(calls) == asked
