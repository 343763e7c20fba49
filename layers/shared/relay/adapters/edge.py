"""Edge Network's `POST /ee/v2/collect`, or `POST /ee/<location hint>/v2/collect`.

Source: AdobeDocs/data-collection-apis, collect endpoint, authenticated; location hints.
"""

from relay.adapters.http import Http
from relay.core.authorization import Authorization
from relay.core.deadline import Deadline
from relay.core.envelope import Envelope
from relay.core.verdict import Answer


class Edge:
    """The collect endpoint below `base_url`."""

    def __init__(self, base_url: str, http: Http) -> None:
        self._base_url = base_url
        self._http = http
        self.seconds = http.seconds

    def collect(
        self, envelope: Envelope, request_id: str, body: bytes, authorization: Authorization, deadline: Deadline
    ) -> Answer:
        """Edge's answer to one request of at most 64,000 bytes. Raises SetupError, Unreachable or NoAnswer."""
        hint = f"{envelope.hint}/" if envelope.hint else ""
        own = (("datastreamId", envelope.datastream_id), ("requestId", request_id))
        return self._http.request(
            "POST",
            f"{self._base_url}/ee/{hint}v2/collect",
            deadline=deadline,
            params=own + envelope.parameters,
            headers={
                **dict(envelope.headers),
                "Authorization": f"Bearer {authorization.token}",
                "x-api-key": authorization.client_id,
                "x-gw-ims-org-id": authorization.org_id,
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",  # a small answer needs no unpacking, a hostile one cannot grow
            },
            data=body,
        )
