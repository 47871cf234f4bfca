"""Redriving undelivered events: each starts one run and is deleted then; unreadable ones stay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from infra.cli import redrive as verb
from infra.cli.__main__ import main
from infra.cli.redrive import Redriven, redrive, replay_command
from tests.support.events import sample
from tests.support.schemas import schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REGION = "eu-west-1"
DEFINITION = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
EVENT_ID = "68679d28-343e-d8ec-4a8c-cdd430223a5d"


class Place:
    """A dead-letter queue and a state machine."""

    def __init__(self) -> None:
        session = boto3.Session(
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106  # a word for moto, no secret
            region_name=REGION,
        )
        self.queues: Any = session.client("sqs")
        self.machines: Any = session.client("stepfunctions")
        self.url: str = self.queues.create_queue(QueueName="undelivered")["QueueUrl"]
        role = "arn:aws:iam::111122223333:role/machine"
        machine = self.machines.create_state_machine(
            name="machine", definition=DEFINITION, roleArn=role
        )
        self.machine: str = machine["stateMachineArn"]

    def put(self, body: str, cause: str = "NO_PERMISSIONS") -> str:
        attributes = {"ERROR_CODE": {"DataType": "String", "StringValue": cause}}
        message: str = self.queues.send_message(
            QueueUrl=self.url, MessageBody=body, MessageAttributes=attributes
        )["MessageId"]
        return message

    def redrive(self, *, dry_run: bool = False) -> list[Redriven]:
        place = (self.queues, self.machines, self.url, self.machine)
        return list(redrive(*place, dry_run=dry_run, wait=0))

    def started(self) -> list[str]:
        found = self.machines.list_executions(stateMachineArn=self.machine)["executions"]
        return sorted(execution["name"] for execution in found)

    def input_of(self, name: str) -> str:
        arn = f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"
        text: str = self.machines.describe_execution(executionArn=arn)["input"]
        return text

    def waiting(self) -> list[str]:
        """The bodies of the messages that are still in the queue."""
        messages = self.queues.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return [message["Body"] for message in messages.get("Messages", [])]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setattr(verb, "LONG_POLL_SECONDS", 0)
    with mock_aws():
        yield Place()


def event(**changes: Any) -> str:
    return json.dumps(sample("create_account_result_succeeded") | changes)


def test_an_event_starts_the_machine_as_it_is_and_leaves_the_queue(place: Place) -> None:
    place.put(event())

    done = place.redrive()

    assert done == [Redriven(EVENT_ID, "CreateAccountResult", "NO_PERMISSIONS")]
    assert place.started() == [f"redrive-{EVENT_ID}"]
    assert place.input_of(f"redrive-{EVENT_ID}") == event()
    assert place.waiting() == []


def test_an_event_in_the_queue_twice_starts_once(place: Place) -> None:
    place.put(event())
    place.put(event())

    done = place.redrive()

    assert [one.left for one in done] == [None, None]
    assert place.started() == [f"redrive-{EVENT_ID}"]
    assert place.waiting() == []


def test_more_messages_than_one_call_receives_are_all_redriven(place: Place) -> None:
    ids = [f"00000000-0000-0000-0000-0000000000{number}" for number in range(10, 35)]
    for one in ids:
        place.put(event(id=one))

    done = place.redrive()

    assert sorted(one.event for one in done) == ids
    assert len(place.started()) == 25


UNREADABLE = {
    "not JSON": ("{", "not JSON"),
    "nested lists": ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
    "nested objects": ('{"":' * 50_000 + "1" + "}" * 50_000, "nested too deeply"),
    "an event that is nested too deeply": (
        event(detail={"a": 0}).replace("0}", "[" * 90_000 + "]" * 90_000 + "}"),
        "nested too deeply",
    ),
    "no object": ("[]", "not an event: it has no detail"),
    "no detail": (event(detail=None), "not an event: it has no detail"),
    "no detail-type": (
        json.dumps({"id": EVENT_ID, "detail": {}}),
        "not an event: it has no detail-type or no id",
    ),
    "no id": (event(id=None), "not an event: it has no detail-type or no id"),
    "an id that is no execution name": (
        event(id="a/b"),
        "the event's id cannot name an execution",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_unreadable_message_stays_and_the_others_are_redriven(place: Place, case: str) -> None:
    body, reason = UNREADABLE[case]
    unreadable = place.put(body, cause="NO_RESOURCE")
    place.put(event())

    done = place.redrive()

    left = Redriven(f"message {unreadable}", "", "NO_RESOURCE", left=reason)
    assert left in done
    assert place.started() == [f"redrive-{EVENT_ID}"]
    assert place.waiting() == [body]


def test_an_event_of_another_name_is_not_quoted(place: Place) -> None:
    detail = {"eventName": "root@example.com"}
    place.put(event(detail=detail))

    (done,) = place.redrive()

    assert done.name == ""


def refusal(operation: str, code: str) -> Callable[..., None]:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "example"}}, operation)

    return refuse


def test_an_event_whose_run_is_refused_stays(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.put(event())
    refuse = refusal("StartExecution", "ExecutionLimitExceeded")
    monkeypatch.setattr(place.machines, "start_execution", refuse)

    (done,) = place.redrive()

    assert done.left == "not started: ExecutionLimitExceeded"
    assert place.waiting() == [event()]


def test_an_event_that_could_not_be_deleted_starts_nothing_the_next_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put(event())
    with monkeypatch.context() as patch:
        patch.setattr(place.queues, "delete_message", refusal("DeleteMessage", "AccessDenied"))
        (first,) = place.redrive()

    (second,) = place.redrive()

    assert (first.left, second.left) == ("started, but not deleted: AccessDenied", None)
    assert place.started() == [f"redrive-{EVENT_ID}"]
    assert place.waiting() == []


def test_a_dry_run_changes_nothing(place: Place) -> None:
    place.put(event())

    done = place.redrive(dry_run=True)

    assert done == [Redriven(EVENT_ID, "CreateAccountResult", "NO_PERMISSIONS")]
    assert place.started() == []
    assert place.waiting() == [event()]


def command(place: Place, *more: str) -> int:
    given = ["--queue-url", place.url, "--state-machine-arn", place.machine]
    return main(["redrive", *given, *more])


def test_the_command_prints_what_it_redrove(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.put(event())

    status = command(place)

    assert status == 0
    assert capsys.readouterr().out == (
        f"{EVENT_ID}  CreateAccountResult  NO_PERMISSIONS  started\n"
        "1 redriven, 0 left in the queue\n"
    )


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the command printed, which is as its schema says."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    schema_of("cli/redrive").validate(found)
    return found


def test_the_document_has_what_was_redriven_and_what_was_left(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    message = place.put("{")
    place.put(event())

    status = command(place, "--json")

    assert status == 1
    redriven, left = sorted(document(capsys)["redriven"], key=lambda one: one["event"])
    assert redriven == {
        "event": EVENT_ID,
        "name": "CreateAccountResult",
        "cause": "NO_PERMISSIONS",
        "left": None,
    }
    assert left == {
        "event": f"message {message}",
        "name": "",
        "cause": "NO_PERMISSIONS",
        "left": "not JSON",
    }


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_the_document_of_an_empty_queue_is_empty(
    place: Place, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    assert command(place, "--json", *options) == 0
    assert document(capsys) == {"version": "1", "dry_run": bool(options), "redriven": []}


def test_the_region_is_the_one_that_is_given(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def outputs(cloudformation: Any, *_: str) -> dict[str, str]:
        asked.append(cloudformation.meta.region_name)
        return {"StateMachineArn": place.machine, "UndeliveredEventsUrl": place.url}

    asked: list[str] = []
    monkeypatch.setattr(verb, "stack_outputs", outputs)
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    assert main(["redrive"]) == 2
    assert "to do: give --home-region, or set AWS_REGION" in capsys.readouterr().err
    assert main(["redrive", "--home-region", REGION]) == 0
    assert asked == [REGION]


def test_without_credentials_it_says_what_to_do(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    assert command(place) == 2
    assert "Unable to locate credentials; to do: give --profile" in capsys.readouterr().err


def test_an_empty_queue_is_done(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(place) == 0
    assert capsys.readouterr().out == "0 redriven, 0 left in the queue\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--queue-url", "https://sqs.eu-west-1.amazonaws.com/111122223333/none"], "NonExistent"),
        (["--state-machine-arn", "arn:aws:sns:eu-west-1:111122223333:topic"], "takes the ARN of"),
        (["--queue-profile", "nobody"], "profile (nobody) could not be found"),
        (["--profile", "nobody"], "profile (nobody) could not be found"),
        (["--name", "Trial"], "--name: is not taken with --queue-url and --state-machine-arn"),
        (["--queue-urls", "x"], "No such option: --queue-urls"),
    ],
)
def test_the_status_is_2_if_nothing_could_be_tried(
    place: Place, capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    status = command(place, *given)

    printed = capsys.readouterr()
    assert status == 2
    assert printed.out == ""
    assert message in printed.err


@pytest.mark.parametrize(
    ("bus", "rule"),
    [
        ("rollcall", "rule/rollcall/Created"),
        # The default bus has rules of others, too.
        ("default", "rule/Created"),
    ],
)
def test_a_replay_is_of_the_last_day_and_to_the_rules_given(bus: str, rule: str) -> None:
    here = "arn:aws:events:eu-west-1:111122223333"

    command = replay_command(f"{here}:archive/A", f"{here}:event-bus/{bus}", ["Created"], 1.8e9)

    assert command.replace("\\\n ", "").split() == [
        *("aws", "events", "start-replay", "--region", "eu-west-1"),
        *("--replay-name", "rollcall-20270115T080000Z"),
        *("--event-source-arn", f"{here}:archive/A"),
        *("--event-start-time", "2027-01-14T08:00:00Z"),
        *("--event-end-time", "2027-01-15T08:00:00Z"),
        *("--destination", f"Arn={here}:event-bus/{bus},FilterArns={here}:{rule}"),
    ]
