"""What the emulator does not read from a SAM API, set with the API Gateway call that stands for it.

It deploys the routes of `AWS::Serverless::Api`, but passes over its `GatewayResponses`: a missing key, for example,
would not be answered as it is on AWS.
"""

from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse


def complete_api(apigateway: Any, api_id: str, stage: str, template: Path) -> None:
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
