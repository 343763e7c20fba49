"""Campaign Standard's immediate ingestion: `POST` and `GET …/xdmIngestion/<mapping>/ingest`.

Source: AdobeDocs/campaign-standard.en, "Triggering data ingestion using APIs". How a GET carries the request id is
open there, so it is a setting.
"""

import json
from urllib.parse import quote

from relay.adapters.http import Http
from relay.core.authorization import Authorization
from relay.core.deadline import Deadline
from relay.core.verdict import Answer
from relay.errors import SetupError


class Campaign:
    """The ingestion API of one organization below `base_url`."""

    def __init__(self, base_url: str, organization: str, *, request_id_in_body: bool, http: Http) -> None:
        self._base_url = base_url
        self._organization = organization
        self._request_id_in_body = request_id_in_body
        self._http = http

    def submit(self, mapping_id: str, authorization: Authorization, deadline: Deadline) -> Answer:
        """Adobe's answer to a submission. Raises SetupError, Unreachable or NoAnswer."""
        return self._request("POST", mapping_id, authorization, deadline)

    def status(self, mapping_id: str, request_id: str, authorization: Authorization, deadline: Deadline) -> Answer:
        """Adobe's answer about a request. Raises SetupError, Unreachable or NoAnswer."""
        return self._request("GET", mapping_id, authorization, deadline, request_id)

    def _request(
        self,
        method: str,
        mapping_id: str,
        authorization: Authorization,
        deadline: Deadline,
        request_id: str | None = None,
    ) -> Answer:
        if not self._organization:
            raise SetupError("the parameter CampaignOrganization is empty")
        content = {"requestId": request_id} if request_id else {}
        path = f"{quote(self._organization, '')}/campaign/dataIngestion/xdmIngestion/{quote(mapping_id, '')}/ingest"
        return self._http.request(
            method,
            f"{self._base_url}/{path}",
            deadline=deadline,
            headers={
                "Authorization": f"Bearer {authorization.token}",
                "X-Api-Key": authorization.client_id,
                "Cache-Control": "no-cache",
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
            },
            params=() if self._request_id_in_body else content.items(),
            data=json.dumps(content).encode() if self._request_id_in_body and content else None,
        )
