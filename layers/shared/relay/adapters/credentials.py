"""Adobe's credentials, as they are in Secrets Manager now."""

import json
import re
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from relay.core.authorization import Credentials
from relay.core.deadline import Deadline
from relay.errors import OutOfTime, SetupError, Unreachable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SECONDS = 3.0  # that a call takes at most

_PRINTABLE = r"[!-~]+"  # they go into headers and a form


class SecretsManagerCredentials:
    """Reads the secret `{"client_id", "client_secret", "org_id", "scopes"}`, anew each time: that is, once a token."""

    def __init__(self, client: "SecretsManagerClient", secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id

    def read(self, deadline: Deadline) -> Credentials:
        """The credentials. Raises Unreachable without an answer, SetupError when they are missing or unusable."""
        if not deadline.fits(SECONDS):
            raise OutOfTime
        try:
            text = self._client.get_secret_value(SecretId=self._secret_id)["SecretString"]
            secret = json.loads(text)
        except BotoCoreError as error:
            raise Unreachable("Secrets Manager does not answer") from error
        except ClientError as error:
            if _is_busy(error):
                raise Unreachable("Secrets Manager is busy or down") from error
            raise SetupError("secret with Adobe's credentials cannot be read") from error
        except (KeyError, ValueError, RecursionError) as error:
            raise SetupError("secret with Adobe's credentials cannot be read") from error
        if not isinstance(secret, dict):
            raise SetupError("secret with Adobe's credentials is not a JSON object")
        values = {name: secret.get(name) or "" for name in ("client_id", "client_secret", "org_id", "scopes")}
        if not all(isinstance(value, str) and re.fullmatch(_PRINTABLE, value) for value in values.values()):
            raise SetupError("secret with Adobe's credentials lacks a member, or one is not printable ASCII")
        return Credentials(**values)


def _is_busy(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or "Throttl" in error.response["Error"]["Code"]
