"""Dead letters: list them by reason and datastream, show one, send them back once the cause is mended, or discard them.

    python -m tools.dead_letters list
    python -m tools.dead_letters show MESSAGE_ID
    python -m tools.dead_letters replay [--reason R] [--datastream D] [--message-id ID …] [--rate N] [--dry-run]
    python -m tools.dead_letters discard [--reason R] [--datastream D] [--message-id ID …] [--dry-run]

Replaying puts a message, events unchanged, on the spool and then deletes the dead letter. If it is cut off in between,
replay again: the redeliver function drops a second message that replays the same dead letter.
"""

import argparse
import json
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_DESCRIPTION = """List, show, send back or discard the relay's dead letters.
STACK_NAME (adobe-relay without it), AWS_DEFAULT_REGION and AWS_PROFILE say where they are."""

_HIDDEN_SECONDS = 600  # that a received dead letter stays hidden from others, at most


@dataclass(frozen=True)
class DeadLetter:
    """A message of the dead letters queue, hidden from others until it is released or deleted."""

    message_id: str
    receipt: str
    text: str
    attributes: dict[str, str]
    sent_at: float  # epoch seconds; SQS deletes it fourteen days later

    @property
    def events(self) -> int:
        """0 when the text is not a message of ours."""
        try:
            content = json.loads(self.text)
            parcels = [content] if content["version"] == 1 else content["parcels"]
            return sum(len(parcel["events"]) for parcel in parcels)
        except (ValueError, KeyError, TypeError, RecursionError):
            return 0


class DeadLetters:
    """The dead letters queue and the spool."""

    def __init__(self, sqs: Any, dead_letters_url: str, spool_url: str) -> None:
        self._sqs = sqs
        self._url = dead_letters_url
        self._spool_url = spool_url
        self._hidden: dict[str, DeadLetter] = {}  # by us, by message id

    def receive_all(self) -> list[DeadLetter]:
        """All that are there now, each once."""
        while True:
            received = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=1,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp"],
            ).get("Messages", [])
            if not received:
                return list(self._hidden.values())
            for message in received:
                attributes = message.get("MessageAttributes", {})
                self._hidden[message["MessageId"]] = DeadLetter(
                    message["MessageId"],
                    message["ReceiptHandle"],
                    message["Body"],
                    {name: value["StringValue"] for name, value in attributes.items()},
                    int(message["Attributes"]["SentTimestamp"]) / 1000,
                )

    def release(self) -> None:
        """Let others see what is left; what fails comes back by itself."""
        for letter in self._hidden.values():
            with suppress(BotoCoreError, ClientError):
                self._sqs.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
                )

    def replay(self, letter: DeadLetter) -> None:
        """Back to the spool, then out of here; in this order, so that nothing is lost in between."""
        self._sqs.send_message(
            QueueUrl=self._spool_url,
            MessageBody=letter.text,
            MessageAttributes={
                "replayOf": {"DataType": "String", "StringValue": letter.message_id},
                # of this attempt: it stays when SQS moves the message and gives it another id
                "replayId": {"DataType": "String", "StringValue": str(uuid.uuid4())},
            },
        )
        self.discard(letter)

    def discard(self, letter: DeadLetter) -> None:
        """Gone for ever."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)
        del self._hidden[letter.message_id]


def list_letters(letters: list[DeadLetter], say: Callable[[str], None]) -> None:
    """How many there are by reason, code and datastream, then a line for each."""
    if not letters:
        say("There are no dead letters.")
        return
    groups: Counter[tuple[str, ...]] = Counter()
    for letter in letters:
        groups[tuple(letter.attributes.get(name, "-") for name in ("reason", "code", "datastreamId"))] += letter.events
    say("events  reason, code, datastream")
    for group, events in groups.most_common():
        say(f"{events:6}  {', '.join(group)}")
    days = (time.time() - min(letter.sent_at for letter in letters)) / 86_400
    say(f"\nThe oldest is {days:.1f} days old. SQS deletes a dead letter after 14.")
    say("\nmessage id, events, request id, sent as, accepted, attempts, what Adobe said")
    for letter in letters:
        names = ("requestId", "sentAs", "firstAcceptedAt", "attempts", "detail")
        say("  ".join([letter.message_id, str(letter.events), *(letter.attributes.get(name, "-") for name in names)]))


def choose(letters: list[DeadLetter], arguments: argparse.Namespace) -> Iterator[DeadLetter]:
    """Those that the filters leave, all of them without a filter; what is no message of ours is never replayed."""
    for letter in letters:
        if arguments.reason and letter.attributes.get("reason", "-") != arguments.reason:
            continue
        if arguments.datastream and letter.attributes.get("datastreamId", "-") != arguments.datastream:
            continue
        if arguments.message_id and letter.message_id not in arguments.message_id:
            continue
        if letter.events or arguments.command == "discard":
            yield letter


def replay(
    queue: DeadLetters,
    letters: list[DeadLetter],
    rate: float,
    say: Callable[[str], None],
    sleep: Callable[[float], None],
) -> None:
    """Replay them, `rate` messages a second at most."""
    total = sum(letter.events for letter in letters)
    done = 0
    for number, letter in enumerate(letters, 1):
        queue.replay(letter)
        done += letter.events
        say(f"{number} of {len(letters)} messages, {done} of {total} events are back on the spool")
        if number < len(letters):
            sleep(1 / rate)


def main(
    argv: list[str],
    sqs: Any,
    outputs: dict[str, str],
    say: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Run one command; `outputs` are those of the stack."""
    arguments = _parser().parse_args(argv)
    queue = DeadLetters(sqs, outputs["DeadLettersUrl"], outputs["SpoolUrl"])
    try:
        letters = queue.receive_all()
        if arguments.command == "list":
            list_letters(letters, say)
        elif arguments.command == "show":
            shown = [letter for letter in letters if letter.message_id == arguments.message_id]
            if not shown:
                say(f"There is no dead letter {arguments.message_id}.")
                return 1
            say(json.dumps(shown[0].attributes, indent=2))
            say(shown[0].text)
        else:
            chosen = list(choose(letters, arguments))
            events = sum(letter.events for letter in chosen)
            dry = " Nothing was changed." if arguments.dry_run else ""
            say(f"Chosen: {len(chosen)} of {len(letters)} messages, {events} events.{dry}")
            if not arguments.dry_run:
                if arguments.command == "replay":
                    replay(queue, chosen, arguments.rate, say, sleep)
                else:
                    for letter in chosen:
                        queue.discard(letter)
                        say(f"{letter.message_id} is discarded.")
    finally:
        queue.release()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.dead_letters", description=_DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what is there, by reason, code and datastream")
    show = commands.add_parser(
        "show", help="one message, whole; it holds events, identities and visitor headers, so mind who looks"
    )
    show.add_argument("message_id")
    again = commands.add_parser("replay", help="send back all, or what the filters leave")
    again.add_argument("--rate", type=_rate, default=10.0, help="messages a second (10)")
    gone = commands.add_parser("discard", help="delete all, or what the filters leave: their events are lost")
    for command in (again, gone):
        command.add_argument("--reason", help='for example "event rejected"')
        command.add_argument("--datastream")
        command.add_argument("--message-id", action="append")
        command.add_argument("--dry-run", action="store_true", help="only say how many there are")
    return parser


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError("must be more than 0 and at most 1000")
    return rate


def _outputs(stack_name: str) -> dict[str, str]:
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


if __name__ == "__main__":
    _parser().parse_args()  # whoever asks for help, or mistypes, needs no AWS
    try:
        outputs = _outputs(os.environ.get("STACK_NAME", "adobe-relay"))
        sys.exit(main(sys.argv[1:], boto3.client("sqs"), outputs))
    except (BotoCoreError, ClientError) as error:  # no region, no credentials, no such stack
        sys.exit(f"error: {error} (STACK_NAME, AWS_DEFAULT_REGION and AWS_PROFILE say where to look)")
