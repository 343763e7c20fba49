"""Adobe's credentials, as they are in Secrets Manager now."""

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError
from botocore.config import Config

from relay.core.authorization import Credentials
from relay.errors import SetupError


class SecretsManagerCredentials:
    """Reads the secret `{"client_id", "client_secret", "org_id", "scopes"}`, anew each time: that is, once a token."""

    def __init__(self, secret_id: str) -> None:
        self._secret_id = secret_id
        self._provider = SecretsProvider(
            boto_config=Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2})
        )

    def read(self) -> Credentials:
        """The credentials. Raises SetupError when they cannot be read or are not whole."""
        try:
            secret = self._provider.get(self._secret_id, transform="json", force_fetch=True)
        except (GetParameterError, TransformParameterError) as error:
            raise SetupError("secret with Adobe's credentials cannot be read") from error
        if not isinstance(secret, dict):
            raise SetupError("secret with Adobe's credentials is not a JSON object")
        values = {name: secret.get(name) or "" for name in ("client_id", "client_secret", "org_id", "scopes")}
        if not all(values.values()):
            raise SetupError("secret with Adobe's credentials lacks a member")
        return Credentials(**{name: str(value) for name, value in values.items()})
