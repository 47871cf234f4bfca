"""``rollcall redrive``: start a run for every event that could not be delivered."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
from typer import BadParameter, Option

from functions.enrolment.errors import InvalidInput
from functions.intake.arrivals import ARRIVALS
from infra.cli.failures import allow, denied_action, explained, print_unread
from infra.cli.options import AsJson, HomeRegion, Name, Profile
from infra.cli.stack import NotDeployed, stack_outputs
from infra.cli.survey import number
from infra.names import DEFAULT, Names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Longer than a redrive takes, so that every message is received once.
VISIBILITY_TIMEOUT_SECONDS = 600
# Long polling queries all of a queue's servers, so an empty response means an empty queue.
LONG_POLL_SECONDS = 5
_EVENT_ID = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
_QUEUE_REGION = re.compile(r"https://sqs\.([a-z0-9-]+)\.")
# The stack's output for the archive, if it has one.
_ARCHIVE = "EventArchiveArn"
_DAY = 86400
_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 5})

ACTIONS = (
    "cloudformation:DescribeStacks",
    "events:ListRuleNamesByTarget",
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:ReceiveMessage",
    "states:DescribeStateMachine",
    "states:StartExecution",
)
EXAMPLES = """\
rollcall redrive --dry-run
rollcall redrive --queue-profile management \\
  --queue-url https://sqs.us-east-1.amazonaws.com/999988887777/Undelivered"""


@dataclass(frozen=True, slots=True)
class Redriven:
    """The result for one message.

    ``event`` is the event's id, or the message's if the event has none. ``name`` is the event's
    name and ``cause`` EventBridge's error code for the failed delivery; both are empty if unknown.
    ``left`` is the reason why the message is still in the queue; None if it was (or in a dry run:
    would be) deleted.
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
            help="The dead-letter queue. Default: the one of the stack.",
        ),
    ] = None,
    queue_profile: Annotated[
        str | None,
        Option(
            metavar="NAME",
            callback=_checked_profile,
            help="The AWS profile to read the queue with. Default: that of --profile.",
        ),
    ] = None,
    queue_region: Annotated[
        str | None,
        Option(
            metavar="REGION",
            help="The queue's Region. Default: the one in the URL, or the home Region.",
        ),
    ] = None,
    state_machine_arn: Annotated[
        str | None,
        Option(
            metavar="ARN",
            callback=_checked_machine_arn,
            help="The state machine. Default: the one of the stack.",
        ),
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="List what would be redriven.")] = False,
    as_json: AsJson = False,
    profile: Profile = None,
    home_region: HomeRegion = None,
    name: Name = DEFAULT,
) -> int:
    """Start runs for events that could not be delivered.

    Starts an execution of the state machine for every event in a dead-letter queue, and deletes the
    message once the execution has started. EventBridge accepts events of AWS services from AWS
    only, so the events cannot be put back on the bus. An execution is named after its event:
    redriving an event twice starts it once. Messages that cannot be read stay in the queue and are
    listed.

    The queue and the state machine are those of the deployment's stack unless you specify others.
    Every stack that forwards events, such as RollcallOrganizationEvents, has a queue of its own:
    specify its URL (output UndeliveredEventsUrl), and with --queue-profile a profile of its account
    if that is another one.

    A queue has only events that started no execution. Where executions were started and lost,
    because the state machine or the table was deleted, or steps that were deployed refused the
    events, replay the archive of the bus (output EventArchiveArn): it has every event about an
    account that arrived within event_retention_days. The command for that is printed at the end; it
    replays the last day unless you change its times. A replayed event about an account that is
    enrolled ends as a duplicate, or reads and changes nothing.

    Exit status 0: every event was redriven, or there was none; 1: some are left, or would be; 2:
    nothing was done, because an argument is invalid or the credentials, stack, queue or state
    machine do not exist; 130: stopped by Ctrl-C.
    """
    if queue_url and state_machine_arn and name != DEFAULT:
        raise InvalidInput(
            "--name", "is not taken with --queue-url and --state-machine-arn: they say where"
        )
    done: list[Redriven] = []
    failure = None
    outputs: dict[str, str] = {}
    try:
        session = boto3.Session(profile_name=profile, region_name=home_region)
        if not queue_url or not state_machine_arn:
            outputs = _outputs(session, Names(name).stack)
        queue_session = boto3.Session(
            profile_name=queue_profile or profile, region_name=home_region
        )
        place = _place(session, queue_session, outputs, queue_url, queue_region, state_machine_arn)
        for one in redrive(*place, dry_run=dry_run, wait=LONG_POLL_SECONDS):
            done.append(one)
    except (NotDeployed, BotoCoreError, ClientError) as error:
        failure = explained(error)
    if done or not failure:
        _report(done, dry_run=dry_run, as_json=as_json)
    if failure:
        print(f"rollcall redrive: {failure}", file=sys.stderr)
        return 1 if done else 2
    if _ARCHIVE in outputs and not as_json:
        _print_replay(session, outputs, time.time())
    return 1 if any(one.left is not None for one in done) else 0


def _report(done: list[Redriven], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        document = {
            "version": "1",
            "dry_run": dry_run,
            "redriven": [asdict(one) for one in done],
        }
        print(json.dumps(document))
        return
    verb, word = ("would start", "to redrive") if dry_run else ("started", "redriven")
    for one in done:
        result = verb if one.left is None else f"left: {one.left}"
        print("  ".join(filter(None, (one.event, one.name, one.cause, result))))
    left = sum(one.left is not None for one in done)
    print(f"{len(done) - left} {word}, {left} left in the queue")


def _print_replay(session: boto3.Session, outputs: Mapping[str, str], now: float) -> None:
    """Print how to replay the events of the last day from the archive."""
    machine = outputs["StateMachineArn"]
    events: Any = session.client("events", region_name=machine.split(":")[3], config=_RETRIES)
    try:
        rules = events.list_rule_names_by_target(
            TargetArn=machine, EventBusName=outputs["BusName"], Limit=100
        )["RuleNames"]
    except (BotoCoreError, ClientError) as error:
        print_unread("redrive", error)
        return
    if not rules:
        return  # Without a filter, a replay is for every rule of the bus.
    print("\nTo replay the events of the last day whose runs were lost:")
    print(replay_command(outputs[_ARCHIVE], outputs["BusArn"], rules, now))


def replay_command(archive: str, bus: str, rules: Sequence[str], now: float) -> str:
    """The command that replays an archive's events of the last day to these rules only.

    Other rules of the bus, which may be of others on the default bus, get none of them again.
    """
    prefix, _, name = bus.partition(":event-bus/")
    folder = "" if name == "default" else f"{name}/"
    filters = ",".join(f"{prefix}:rule/{folder}{rule}" for rule in rules)
    start, end = (datetime.fromtimestamp(at, UTC) for at in (now - _DAY, now))
    return " \\\n  ".join(
        (
            f"aws events start-replay --region {bus.split(':')[3]}",
            f"--replay-name rollcall-{end:%Y%m%dT%H%M%SZ}",
            f"--event-source-arn {archive}",
            f"--event-start-time {start:%Y-%m-%dT%H:%M:%SZ}",
            f"--event-end-time {end:%Y-%m-%dT%H:%M:%SZ}",
            f"--destination Arn={bus},FilterArns={filters}",
        )
    )


def redrive(
    queues: Any, machines: Any, queue_url: str, machine_arn: str, *, dry_run: bool, wait: int
) -> Iterator[Redriven]:
    """Redrive every message of the queue; ``wait`` is the time of a long poll in seconds.

    ``queues`` and ``machines`` are boto3 clients for SQS and Step Functions.
    """
    left: list[str] = []
    seen: set[str] = set()
    try:
        while messages := _receive(queues, queue_url, wait):
            for message in messages:
                if message["MessageId"] in seen:
                    return
                seen.add(message["MessageId"])
                redriven = _redrive_one(queues, machines, queue_url, machine_arn, message, dry_run)
                if dry_run or redriven.left is not None:
                    left.append(message["ReceiptHandle"])
                yield redriven
    finally:
        _show_again(queues, queue_url, left)


def _show_again(queues: Any, queue_url: str, handles: list[str]) -> None:
    """Let the messages be received again at once; if that fails, print when they can be."""
    refused: list[ClientError] = []
    for handle in handles:
        try:
            queues.change_message_visibility(
                QueueUrl=queue_url, ReceiptHandle=handle, VisibilityTimeout=0
            )
        except ClientError as error:
            refused.append(error)
    if refused:
        print(
            f"rollcall redrive: {number(len(refused), 'message')} cannot be received again for"
            f" {VISIBILITY_TIMEOUT_SECONDS // 60} minutes: {explained(refused[0])}",
            file=sys.stderr,
        )


def _outputs(session: boto3.Session, stack: str) -> dict[str, str]:
    """The stack's outputs; raises as ``stack_outputs`` does."""
    cloudformation: Any = session.client("cloudformation", config=_RETRIES)
    return stack_outputs(cloudformation, stack, "StateMachineArn", "UndeliveredEventsUrl")


def _place(
    session: boto3.Session,
    queue_session: boto3.Session,
    outputs: Mapping[str, str],
    queue_url: str | None,
    region: str | None,
    machine_arn: str | None,
) -> tuple[Any, Any, str, str]:
    """Clients for queue and state machine, the queue's URL and the state machine's ARN.

    ``session`` is of the administrator account in the home Region, ``queue_session`` of the
    account with the queue.
    ``outputs`` are the stack's, if queue or state machine is not given.

    Raises:
        BotoCoreError: there is no Region, or no credentials.
        ClientError: there is no such state machine, or a call was refused.
    """
    machine_arn = machine_arn or outputs["StateMachineArn"]
    queue_url = queue_url or outputs["UndeliveredEventsUrl"]
    machine_region = machine_arn.split(":")[3]
    machines: Any = session.client("stepfunctions", region_name=machine_region, config=_RETRIES)
    in_url = _QUEUE_REGION.match(queue_url)
    queue_region = region or (in_url[1] if in_url else None)
    queues: Any = queue_session.client("sqs", region_name=queue_region, config=_RETRIES)
    # Called first, so that a wrong ARN is reported once and not for every event.
    machines.describe_state_machine(stateMachineArn=machine_arn)
    return queues, machines, queue_url, machine_arn


def _receive(queues: Any, queue_url: str, wait: int) -> list[dict[str, Any]]:
    response = queues.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=VISIBILITY_TIMEOUT_SECONDS,
        MessageAttributeNames=["ERROR_CODE"],
        WaitTimeSeconds=wait,
    )
    messages: list[dict[str, Any]] = response.get("Messages", [])
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
    except ValueError as error:
        return Redriven(f"message {message['MessageId']}", cause=cause, left=str(error))
    redriven = Redriven(event_id, name, cause)
    if dry_run:
        return redriven
    try:
        machines.start_execution(
            stateMachineArn=machine_arn, name=f"redrive-{event_id}", input=message["Body"]
        )
    except machines.exceptions.ExecutionAlreadyExists:
        pass  # An earlier redrive started it and ended before it deleted the message.
    except ClientError as error:
        return replace(redriven, left=f"not started: {_refusal(error)}")
    try:
        queues.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    except ClientError as error:
        return replace(redriven, left=f"started, but not deleted: {_refusal(error)}")
    return redriven


def _read(body: str) -> tuple[str, str]:
    """An event's id, and its name if that is known. The run itself validates the event.

    Raises:
        ValueError: the text is not an event; the message gives the cause and quotes nothing.
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


def _refusal(error: ClientError) -> str:
    """The error's code, and what to do if a permission is missing."""
    code, action = error.response["Error"]["Code"], denied_action(error)
    return f"{code}; to do: {allow(action)}" if action else code
