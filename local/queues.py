"""Queues on this machine: what is on one, and new ones that hear what the relay announces."""

import json
from typing import Any

from local.stack import Stack, client


def waiting(queue_url: str, running: Stack) -> int:
    """How many messages are on a queue, those that are being tried included."""
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    sqs = client("sqs", running.aws_endpoint_url)
    found = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return sum(map(int, found.values()))


def messages(queue_url: str, running: Stack) -> list[dict[str, Any]]:
    """The messages of a queue, taken out."""
    sqs = client("sqs", running.aws_endpoint_url)
    found: list[dict[str, Any]] = []
    while received := sqs.receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        found += received
        for message in received:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return found


def bodies(queue_url: str, running: Stack) -> list[dict[str, Any]]:
    """The messages of a queue that hears something, as JSON, taken out."""
    return [json.loads(message["Body"]) for message in messages(queue_url, running)]


def hear_events(running: Stack, name: str) -> str:
    """URL of a new queue that gets every EventBridge event of the relay."""
    url, arn = _open(running, name, "events.amazonaws.com")
    events = client("events", running.aws_endpoint_url)
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["adobe.relay"]}))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    return url


def hear_topic(running: Stack, name: str) -> str:
    """URL of a new queue that gets what is sent to the alarm topic: `Subject` and `Message`."""
    url, arn = _open(running, name, "sns.amazonaws.com")
    client("sns", running.aws_endpoint_url).subscribe(TopicArn=running.topic_arn, Protocol="sqs", Endpoint=arn)
    return url


def _open(running: Stack, name: str, service: str) -> tuple[str, str]:
    """URL and ARN of a new queue that the service may send to."""
    sqs = client("sqs", running.aws_endpoint_url)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage", "Resource": arn}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    return url, arn
