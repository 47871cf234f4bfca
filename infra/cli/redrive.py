"""``rollcall redrive``: start a run for every event that could not be delivered."""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
from typer import BadParameter, Option

from functions.intake.arrivals import ARRIVALS
from infra.cli.stack import NotDeployed, stack_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

# Longer than a redrive takes, so that it sees every message once.
HIDDEN_SECONDS = 600
# Long polling asks all of a queue's servers, so that an empty answer means an empty queue.
LAST_LOOK_SECONDS = 5
_EVENT_ID = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
_QUEUE_REGION = re.compile(r"https://sqs\.([a-z0-9-]+)\.")
_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 5})

EXAMPLES = """\
rollcall redrive --dry-run
rollcall redrive --queue-profile management \\
  --queue-url https://sqs.us-east-1.amazonaws.com/999988887777/Undelivered"""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of one message.

    ``event`` is its event's id, or the message's where it has none; ``name`` the event's name and
    ``cause`` EventBridge's code for why it was not delivered, both empty where not known. ``left``
    says why the message is still in the queue; None where it is not, or would not be.
    """

    event: str
    name: str = ""
    cause: str = ""
    left: str | None = None


def _checked_queue_url(url: str | None) -> str | None:
    if url is not None and not url.startswith(("https://", "http://")):
        raise BadParameter(f"takes the URL of a queue, not {url!r}")
    return url


def _checked_profile(name: str | None) -> str | None:
    if name is not None:
        try:
            boto3.Session(profile_name=name)
        except ProfileNotFound as error:
            raise BadParameter(f"takes one of your AWS profiles: {error}") from None
    return name


def _checked_machine_arn(arn: str | None) -> str | None:
    if arn is not None:
        parts = arn.split(":")
        if len(parts) != 7 or parts[2] != "states" or parts[5] != "stateMachine":
            raise BadParameter(f"takes the ARN of a state machine, not {arn!r}")
    return arn


def run(
    queue_url: Annotated[
        str | None,
        Option(
            metavar="URL",
            callback=_checked_queue_url,
            help="The dead-letter queue; default: that of the stack.",
        ),
    ] = None,
    queue_profile: Annotated[
        str | None,
        Option(
            metavar="NAME",
            callback=_checked_profile,
            help="The AWS profile to read the queue with.",
        ),
    ] = None,
    queue_region: Annotated[
        str | None,
        Option(metavar="REGION", help="Default: as the URL says, or your AWS settings."),
    ] = None,
    state_machine_arn: Annotated[
        str | None,
        Option(metavar="ARN", callback=_checked_machine_arn, help="Default: that of the stack."),
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would be redriven.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Start runs for events that could not be delivered.

    Starts a run of the state machine for every event in a dead-letter queue, and deletes the event
    once the run is accepted. EventBridge takes events of AWS services from AWS only, so the events
    cannot be put back on the bus. A run is named after its event: to redrive an event twice starts
    it once. What cannot be read stays in the queue and is named.

    The queue and the state machine are those of the stack Rollcall, unless they are given. The
    queue of RollcallOrganizationEvents is in the management account: give its URL, and in
    --queue-profile a profile of that account.

    Exit status 0: every event was redriven, or there was none; 1: some are left, or would be; 2:
    nothing was done, because the command is wrong or there are no such credentials, stack, queue
    or state machine; 130: ended by Ctrl-C.
    """
    done: list[Redriven] = []
    failure = None
    try:
        place = _place(queue_url, queue_profile, queue_region, state_machine_arn)
        for one in redrive(*place, dry_run=dry_run, wait=LAST_LOOK_SECONDS):
            done.append(one)
    except (NotDeployed, BotoCoreError, ClientError) as error:
        failure = str(error)
    if done or not failure:
        _report(done, dry_run=dry_run, as_json=as_json)
    if failure:
        print(f"rollcall redrive: {failure}", file=sys.stderr)
        return 1 if done else 2
    return 1 if any(one.left is not None for one in done) else 0


def _report(done: list[Redriven], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(one) for one in done]))
        return
    verb, word = ("would start", "to redrive") if dry_run else ("started", "redriven")
    for one in done:
        told = verb if one.left is None else f"left: {one.left}"
        print("  ".join(filter(None, (one.event, one.name, one.cause, told))))
    left = sum(one.left is not None for one in done)
    print(f"{len(done) - left} {word}, {left} left in the queue")


def redrive(
    queues: Any, machines: Any, queue_url: str, machine_arn: str, *, dry_run: bool, wait: int
) -> Iterator[Redriven]:
    """Redrive every message of the queue; ``wait`` is how long, in seconds, the last look takes.

    ``queues`` and ``machines`` are boto3's clients of SQS and Step Functions.
    """
    kept: list[str] = []
    seen: set[str] = set()
    try:
        while messages := _receive(queues, queue_url, wait):
            for message in messages:
                if message["MessageId"] in seen:
                    return
                seen.add(message["MessageId"])
                redriven = _redrive_one(queues, machines, queue_url, machine_arn, message, dry_run)
                if dry_run or redriven.left is not None:
                    kept.append(message["ReceiptHandle"])
                yield redriven
    finally:
        for handle in kept:
            # Where this fails, the message shows again by itself a little later.
            with suppress(ClientError):
                queues.change_message_visibility(
                    QueueUrl=queue_url, ReceiptHandle=handle, VisibilityTimeout=0
                )


def _place(
    queue_url: str | None, profile: str | None, region: str | None, machine_arn: str | None
) -> tuple[Any, Any, str, str]:
    """Clients of queue and state machine, the queue's URL and the state machine's ARN.

    Raises:
        NotDeployed: the stack does not name what is not given.
        BotoCoreError: there is no Region, or no credentials.
        ClientError: there is no such stack or state machine, or a call was refused.
    """
    session, queue_session = boto3.Session(), boto3.Session(profile_name=profile)
    if not queue_url or not machine_arn:
        cloudformation: Any = session.client("cloudformation", config=_RETRIES)
        outputs = stack_outputs(cloudformation, "StateMachineArn", "UndeliveredEventsUrl")
        machine_arn = machine_arn or outputs["StateMachineArn"]
        queue_url = queue_url or outputs["UndeliveredEventsUrl"]
    machine_region = machine_arn.split(":")[3]
    machines: Any = session.client("stepfunctions", region_name=machine_region, config=_RETRIES)
    said = _QUEUE_REGION.match(queue_url)
    queue_region = region or (said[1] if said else None)
    queues: Any = queue_session.client("sqs", region_name=queue_region, config=_RETRIES)
    # Asked first, so that a wrong ARN is one refusal and not one for every event.
    machines.describe_state_machine(stateMachineArn=machine_arn)
    return queues, machines, queue_url, machine_arn


def _receive(queues: Any, queue_url: str, wait: int) -> list[dict[str, Any]]:
    answer = queues.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=HIDDEN_SECONDS,
        MessageAttributeNames=["ERROR_CODE"],
        WaitTimeSeconds=wait,
    )
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def _redrive_one(
    queues: Any,
    machines: Any,
    queue_url: str,
    machine_arn: str,
    message: dict[str, Any],
    dry_run: bool,
) -> Redriven:
    cause = message.get("MessageAttributes", {}).get("ERROR_CODE", {}).get("StringValue", "")
    try:
        event_id, name = _read(message["Body"])
    except ValueError as refusal:
        return Redriven(f"message {message['MessageId']}", cause=cause, left=str(refusal))
    redriven = Redriven(event_id, name, cause)
    if dry_run:
        return redriven
    try:
        machines.start_execution(
            stateMachineArn=machine_arn, name=f"redrive-{event_id}", input=message["Body"]
        )
    except machines.exceptions.ExecutionAlreadyExists:
        pass  # An earlier redrive started it and did not come to delete its message.
    except ClientError as error:
        return replace(redriven, left=f"not started: {_code(error)}")
    try:
        queues.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    except ClientError as error:
        return replace(redriven, left=f"started, but not deleted: {_code(error)}")
    return redriven


def _read(body: str) -> tuple[str, str]:
    """An event's id, and its name if that is known. What it brings is for the run to judge.

    Raises:
        ValueError: it is no event; the message says why, and nothing of what it is.
    """
    try:
        event = json.loads(body)
    except ValueError:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(event, dict) or not isinstance(event.get("detail"), dict):
        raise ValueError("not an event: it has no detail")
    kind, event_id = event.get("detail-type"), event.get("id")
    if not isinstance(kind, str) or not isinstance(event_id, str):
        raise ValueError("not an event: it has no detail-type or no id")
    if not _EVENT_ID.fullmatch(event_id):
        raise ValueError("the event's id cannot name an execution")
    name = event["detail"].get("eventName", kind)
    return event_id, name if isinstance(name, str) and name in ARRIVALS else ""


def _code(error: ClientError) -> str:
    code: str = error.response["Error"]["Code"]
    return code
