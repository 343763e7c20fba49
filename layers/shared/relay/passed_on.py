"""What of a client's request, besides its body, goes on to Edge: location hint, query parameters, visitor headers."""

from relay.core.envelope import OWN_PARAMETERS, VISITOR_HEADERS, headers_fault, is_hint, parameters_fault
from relay.core.problem import our_problem
from relay.errors import InvalidRequest
from relay.http_request import HttpRequest


def read_hint(request: HttpRequest) -> str:
    """The location hint of the path, empty without one. Raises InvalidRequest if it cannot be a location hint."""
    hint = request.path.get("hint")
    if hint is None:
        return ""
    if not is_hint(hint):
        detail = (
            "The location hint in the path is not valid: 1 to 16 letters and digits, as in /ee/or2/v2/collect. "
            "Use the hint that interact returned, or POST /ee/v2/collect."
        )
        raise InvalidRequest(our_problem("no-such-location-hint", 404, "No such location hint", detail))
    return hint


def read_parameters(request: HttpRequest) -> tuple[tuple[str, str], ...]:
    """The parameters that are not the relay's own, as they were sent. Raises InvalidRequest."""
    parameters = tuple(pair for pair in request.parameters if pair[0].lower() not in OWN_PARAMETERS)
    if fault := parameters_fault(parameters):
        raise InvalidRequest(our_problem("invalid-parameter", 400, "Invalid query parameter", fault))
    return parameters


def read_visitor_headers(request: HttpRequest) -> tuple[tuple[str, str], ...]:
    """The visitor headers. Lines of one name are joined. Raises InvalidRequest."""
    found = [(name, ", ".join(request.header_lines.get(name.lower(), ())).strip(" \t")) for name in VISITOR_HEADERS]
    headers = tuple(pair for pair in found if pair[1])
    if fault := headers_fault(headers):
        raise InvalidRequest(our_problem("invalid-header", 400, "Invalid header", fault))
    return headers
