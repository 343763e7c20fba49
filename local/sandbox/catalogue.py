"""Every error that Edge documents: code, title, and a detail in which `#{index}` stands for the guilty event.

Source: AdobeDocs/data-collection-apis, "Detailed error codes list" (June 2026). The sandbox keeps its own list, apart
from the relay's policy table, so that neither can hide the other's mistake.
"""

from collections.abc import Sequence
from typing import Any

ERRORS: dict[str, tuple[str, str]] = {
    "0000-503": ("Service unavailable", "The service is temporarily unable to process your request."),
    "0001-500": ("Unexpected error", "An unexpected error has occurred. Please try again."),
    "0002-400": ("Missing datastream parameter", "The required datastream parameter is missing."),
    "0003-400": ("Invalid datastream ID", "The datastream ID does not exist."),
    "0004-422": ("Datastream disabled", "The datastream is disabled."),
    "0010-422": ("Invalid datastream configuration", "The Experience Platform datastream configuration is missing."),
    "0011-422": ("Could not retrieve sandbox details", "Experience Platform is not enabled for the datastream."),
    "0012-422": ("The referenced sandbox cannot be resolved", "The sandbox does not exist."),
    "0013-422": ("The referenced identity namespace code cannot be resolved", "The namespace code does not exist."),
    "0100-500": ("JSON processing error", "An error occurred while processing your JSON request."),
    "0101-400": ("Invalid JSON request", "The JSON request is invalid."),
    "0102-400": ("Invalid request field", "The value supplied for a field does not match your input schema."),
    "0103-400": ("Missing required value", "A mandatory field is missing."),
    "0104-422": ("Input validation error", "The request is invalid. See the attached report."),
    "0105-400": ("Input validation error", "The request is invalid."),
    "0106-400": ("Invalid Content-Type header", "The provided Content-Type header value is invalid."),
    "0107-400": ("Missing required parameter", "A required parameter is missing."),
    "0108-400": ("Invalid parameter type", "The parameter type is not supported."),
    "0109-408": ("Empty request", "The request body is empty."),
    "0110-400": ("Missing parameter value", "The parameter value is required when cookie support is enabled."),
    "0111-415": ("Invalid request", "The request content type is not supported."),
    "0112-413": ("Invalid request", "The request payload is too large."),
    "0113-400": ("Invalid request", "The configuration override payload is invalid."),
    "0200-504": ("The service call has timed out", "The service call exceeded the allowed time."),
    "0201-503": ("The service is temporarily unavailable", "The upstream service is temporarily unavailable."),
    "0202-502": ("The service failed to process this request", "The upstream service failed."),
    "0203-502": ("The service call has failed", "An error occurred while calling the upstream service."),
    "0204-200": ("The service call completed with warning(s)", "A warning occurred while calling the service."),
    "0205-502": ("Data exchange producer request failed", "The upstream service failed to return data."),
    "0300-502": ("Could not check user consent", "An error occurred while checking user consent."),
    "0301-200": ("User consent missing", "This request was ignored due to lack of user consent."),
    "0302-409": ("Update operation not supported", "Consent cannot be updated: the user has already opted out."),
    "0303-200": ("Unauthorized to fetch identities", "Unauthorized to fetch identities from some namespaces."),
    "0304-400": ("Unexpected identities provided", "Unexpected identities were provided for event: `#{index}`."),
    "0305-400": ("Invalid identity provided", "The request contains an invalid identity."),
    "0306-400": ("Event is missing primary identity", "There was no primary identity for event `#{index}`."),
    "0307-502": ("User consent update error", "An error occurred while updating user consent settings."),
    "0308-400": ("Invalid identity format", "Event `#{index}` contains an ID in invalid format."),
    "0400-403": ("Request ignored due to geographical restrictions", "Requests from this country are not allowed."),
    "0500-401": ("Invalid authorization token", "The authorization token is missing or has an invalid format."),
    "0501-401": ("Invalid user authorization token", "The user token is missing or has an invalid format."),
    "0502-401": ("Invalid authorization token signature", "The authorization token signature is invalid."),
    "0503-401": ("Authorization token expired", "The authorization token has expired."),
    "0504-401": ("Missing required product context", "The token is missing a required product context."),
    "0505-401": ("Missing required authorization token scope", "The token is missing a required scope."),
    "0506-401": ("Missing sandbox write permissions", "The token does not have DATASET.WRITE permissions."),
}


# What a report lists without further words, so that an ordered error has a report, too.
_USUAL_ERRORS = {
    "0104-422": "The value is not allowed at index {index}",
    "0113-400": "meta.configOverrides is not valid",
}


def error_body(code: str, request_id: str, org_id: str, index: int = 0, errors: Sequence[str] = ()) -> dict[str, Any]:
    """The problem+json of EXEG-`code`.

    `index` is the place of the guilty event; `errors` are the sentences of the report.
    """
    title, detail = ERRORS[code]
    report: dict[str, Any] = {"requestId": request_id, "orgId": org_id}
    if errors:
        report["errors"] = list(errors)
    elif code in _USUAL_ERRORS:
        report["errors"] = [_USUAL_ERRORS[code].format(index=index)]
    return {
        "type": f"https://ns.adobe.com/aep/errors/EXEG-{code}",
        "status": int(code[-3:]),
        "title": title,
        "detail": detail.format(index=index),
        "report": report,
    }
