"""Edge Network's `POST /ee/v2/collect`.

Source: AdobeDocs/data-collection-apis, collect endpoint, authenticated.
"""

from relay.adapters.http import Http
from relay.core.authorization import Authorization
from relay.core.verdict import Answer


class Edge:
    """The collect endpoint below `base_url`."""

    def __init__(self, base_url: str, http: Http) -> None:
        self._url = f"{base_url}/ee/v2/collect"
        self._http = http

    def collect(
        self, datastream_id: str, request_id: str, body: bytes, authorization: Authorization, within: float
    ) -> Answer:
        """Edge's answer to one request of at most 64,000 bytes, in `within` seconds.

        Raises SetupError, Unreachable or NoAnswer.
        """
        return self._http.request(
            "POST",
            self._url,
            within=within,
            params={"datastreamId": datastream_id, "requestId": request_id},
            headers={
                "Authorization": f"Bearer {authorization.token}",
                "x-api-key": authorization.client_id,
                "x-gw-ims-org-id": authorization.org_id,
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",  # a small answer needs no unpacking, a hostile one cannot grow
            },
            data=body,
        )
