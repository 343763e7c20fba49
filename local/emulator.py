"""Where the emulator deploys less than AWS would, the calls that make up for it. The template stays as it is.

* It deploys the routes of `AWS::Serverless::Api`, but passes over its `GatewayResponses`: a missing key, for example,
  would not be answered as it is on AWS.
* It speaks plain http, which the policies of queues and topic deny.
* It polls a queue for ten messages at most, without a window (see `event_source`).
"""

import json
from collections.abc import Iterable
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


def allow_plain_http(sqs: Any, sns: Any, queue_urls: Iterable[str], topic_arn: str) -> None:
    """Take the statement that wants TLS out of the policies of queues and topic; the others stay."""
    for service in (sqs, sns):
        service.meta.events.register("before-send", _as_if_over_tls)
    for url in queue_urls:
        policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": _without_tls(policy)})
    policy = sns.get_topic_attributes(TopicArn=topic_arn)["Attributes"]["Policy"]
    sns.set_topic_attributes(TopicArn=topic_arn, AttributeName="Policy", AttributeValue=_without_tls(policy))


def _as_if_over_tls(request: Any, **_: Any) -> None:
    request.headers["X-Forwarded-Proto"] = "https"


def _without_tls(policy: str) -> str:
    content = json.loads(policy)
    content["Statement"] = [found for found in content["Statement"] if "aws:SecureTransport" not in str(found)]
    return json.dumps(content)
