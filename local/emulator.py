"""Where the emulator deploys less than AWS would, the calls that make up for it. The template stays as it is.

* It deploys the routes of `AWS::Serverless::Api`, but passes over its `GatewayResponses`: a missing key, for example,
  would not be answered as it is on AWS.
* It hands a parameter of type Number to an event source mapping as text, and then never polls the queue.
"""

from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse


def set_gateway_responses(apigateway: Any, api_id: str, stage: str, template: Path) -> None:
    """Give the deployed API the gateway responses of the template's RelayApi."""
    responses = yaml_parse(template.read_text())["Resources"]["RelayApi"]["Properties"]["GatewayResponses"]
    for response_type, response in responses.items():
        apigateway.put_gateway_response(
            restApiId=api_id,
            responseType=response_type,
            statusCode=str(response["StatusCode"]),
            responseParameters={
                f"gatewayresponse.header.{name}": value
                for name, value in response["ResponseParameters"]["Headers"].items()
            },
            responseTemplates=response["ResponseTemplates"],
        )
    apigateway.create_deployment(restApiId=api_id, stageName=stage)  # what a stage answers is fixed by its deployment


def set_concurrency(functions: Any) -> None:
    """Give every event source mapping its maximum concurrency as the number it is."""
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        if limit := mapping.get("ScalingConfig", {}).get("MaximumConcurrency"):
            functions.update_event_source_mapping(
                UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": int(limit)}
            )
