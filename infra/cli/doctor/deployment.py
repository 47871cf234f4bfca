"""The deployment: whether what the stack made is there, works and is watched."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from functions.enrolment.configuration import OFF
from functions.enrolment.times import iso
from infra.cli.doctor.finding import Unread, ask, ask_for, fail, not_checked, ok, warn
from infra.cli.survey import number
from infra.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from functions.enrolment.configuration import Configuration
    from functions.enrolment.errors import InvalidInput
    from infra.cli.doctor.finding import Finding
    from infra.cli.site import Site
    from infra.config import DeploymentConfig

ACTIONS = (
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "cloudwatch:DescribeAlarms",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
    "lambda:GetFunctionConfiguration",
    "s3:ListBucket",
    "scheduler:GetSchedule",
    "sns:ListSubscriptionsByTopic",
    "sqs:GetQueueAttributes",
    "states:DescribeStateMachine",
    "states:ListExecutions",
)
_PENDING = "PendingConfirmation"
_SOUND = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_EARLIER = ("UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")
_DEPLOY = "node_modules/.bin/cdk deploy"


@dataclass(frozen=True, slots=True)
class Reconcile:
    """The newest execution of a reconcile; times in epoch seconds, ``ended`` None while it runs.

    ``gaps`` is how many it left, None if that is not known.
    """

    status: str
    started: float
    ended: float | None = None
    gaps: int | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription of a topic; its address is not kept, as it may be somebody's."""

    protocol: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Topic:
    """``about`` is ``results`` or ``alarms``."""

    about: str
    arn: str
    subscriptions: Sequence[Subscription] | Unread


@dataclass(frozen=True, slots=True)
class TableFacts:
    """``recovery`` and ``expires`` say whether the table has point-in-time recovery and a TTL."""

    status: str
    recovery: bool | Unread
    expires: bool | Unread


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """What was read of the stack's resources. None: it does not exist.

    ``machines`` and ``functions`` have states by name. ``schedule`` is its state. ``undelivered``
    are the messages in the queue, ``alarms`` those in ALARM.
    """

    stack: str
    region: str
    status: str | Unread
    machines: Mapping[str, str | Unread | None] = field(default_factory=dict)
    functions: Mapping[str, str | Unread | None] = field(default_factory=dict)
    table_name: str = ""
    table: TableFacts | Unread | None = None
    bucket: bool | Unread | None = None
    schedule: str | Unread | None = None
    reconcile_machine: str = ""
    reconcile: Reconcile | Unread | None = None
    undelivered: int | Unread | None = 0
    alarms: Sequence[str] | Unread = ()
    topics: Sequence[Topic] = ()


def read_deployment(site: Site) -> DeploymentFacts:
    """Read the resources of the deployment's stack."""
    outputs, stack = site.outputs, site.names.stack
    cloudformation = site.client("cloudformation")
    status = ask(
        "cloudformation:DescribeStacks",
        lambda: str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]),
    )
    resources = ask("cloudformation:ListStackResources", lambda: _resources(cloudformation, stack))
    made: Mapping[str, list[str]] = {} if isinstance(resources, Unread) else resources
    functions: dict[str, str | Unread | None] = {
        arn.split(":")[6]: _function(site.client("lambda"), arn)
        for arn in made.get("AWS::Lambda::Alias", ())
    }
    schedules = made.get("AWS::Scheduler::Schedule", ())
    machine = outputs["ReconcileMachineArn"]
    return DeploymentFacts(
        stack,
        site.wiring.home_region,
        status,
        {
            name: _machine(site.client("stepfunctions"), outputs[key])
            for name, key in (("runs", "StateMachineArn"), ("reconciles", "ReconcileMachineArn"))
        },
        {"functions": resources} if isinstance(resources, Unread) else functions,
        outputs["TableName"],
        _table(site.client("dynamodb"), outputs["TableName"]),
        ask_for("s3:ListBucket", _NO_BUCKET, lambda: _bucket(site)),
        resources
        if isinstance(resources, Unread)
        else next((_schedule(site.client("scheduler"), name) for name in schedules), None),
        machine,
        ask("states:ListExecutions", lambda: _newest(site, machine)),
        messages_in(site.client("sqs"), outputs["UndeliveredEventsUrl"]),
        alarms_of(site.client("cloudwatch"), stack),
        (
            read_topic(site.client("sns"), "results", outputs["TopicArn"]),
            read_topic(site.client("sns"), "alarms", outputs["OperationsTopicArn"]),
        ),
    )


_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")
_NOT_FOUND = ("ResourceNotFoundException", "StateMachineDoesNotExist")


def _resources(cloudformation: Any, stack: str) -> dict[str, list[str]]:
    """The physical ids of the stack's resources, by type."""
    found: dict[str, list[str]] = {}
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    for page in pages:
        for one in page["StackResourceSummaries"]:
            found.setdefault(one["ResourceType"], []).append(one.get("PhysicalResourceId", ""))
    return found


def _machine(machines: Any, arn: str) -> str | Unread | None:
    return ask_for(
        "states:DescribeStateMachine",
        _NOT_FOUND,
        lambda: str(machines.describe_state_machine(stateMachineArn=arn)["status"]),
    )


def _function(functions: Any, arn: str) -> str | Unread | None:
    return ask_for(
        "lambda:GetFunctionConfiguration",
        _NOT_FOUND,
        # A version that has not been invoked for weeks is Inactive, and works.
        lambda: str(functions.get_function_configuration(FunctionName=arn).get("State", "Active")),
    )


def _table(dynamodb: Any, name: str) -> TableFacts | Unread | None:
    status = ask_for(
        "dynamodb:DescribeTable",
        _NOT_FOUND,
        lambda: str(dynamodb.describe_table(TableName=name)["Table"]["TableStatus"]),
    )
    if status is None or isinstance(status, Unread):
        return status

    def recovery() -> bool:
        found = dynamodb.describe_continuous_backups(TableName=name)
        described = found["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        return bool(described.get("PointInTimeRecoveryStatus") == "ENABLED")

    def expires() -> bool:
        found = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        return found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")

    return TableFacts(
        status,
        ask("dynamodb:DescribeContinuousBackups", recovery),
        ask("dynamodb:DescribeTimeToLive", expires),
    )


def _bucket(site: Site) -> bool:
    site.client("s3").head_bucket(Bucket=site.outputs["ResultsBucketName"])
    return True


def _schedule(scheduler: Any, name: str) -> str | Unread | None:
    return ask_for(
        "scheduler:GetSchedule",
        _NOT_FOUND,
        lambda: str(scheduler.get_schedule(Name=name)["State"]),
    )


def _newest(site: Site, arn: str) -> Reconcile | None:
    """Step Functions lists the newest execution first (API reference, ListExecutions)."""
    machines = site.client("stepfunctions")
    found = machines.list_executions(stateMachineArn=arn, maxResults=1)["executions"]
    if not found:
        return None
    [one] = found
    stopped = one.get("stopDate")
    record = ask("dynamodb:GetItem", lambda: site.wiring.reconciles.reconcile(one["name"]))
    return Reconcile(
        one["status"],
        one["startDate"].timestamp(),
        stopped.timestamp() if stopped else None,
        None if record is None or isinstance(record, Unread) else record.gaps,
    )


def messages_in(sqs: Any, url: str) -> int | Unread | None:
    """How many messages a queue has; None if there is no such queue."""
    name = "ApproximateNumberOfMessages"
    return ask_for(
        "sqs:GetQueueAttributes",
        ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
        lambda: int(
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
        ),
    )


def alarms_of(cloudwatch: Any, stack: str) -> Sequence[str] | Unread:
    """The names of a stack's alarms that are in ALARM."""

    def read() -> list[str]:
        pages = cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=f"{stack}-", StateValue="ALARM", AlarmTypes=["MetricAlarm"]
        )
        return [one["AlarmName"] for page in pages for one in page["MetricAlarms"]]

    return ask("cloudwatch:DescribeAlarms", read)


def read_topic(sns: Any, about: str, arn: str) -> Topic:
    """A topic with its subscriptions."""

    def read() -> list[Subscription]:
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
        return [
            Subscription(one["Protocol"], one["SubscriptionArn"] != _PENDING)
            for page in pages
            for one in page["Subscriptions"]
        ]

    return Topic(about, arn, ask("sns:ListSubscriptionsByTopic", read))


def judge_deployment(facts: DeploymentFacts, configuration: Configuration) -> Iterator[Finding]:
    """All findings about the stack's resources."""
    yield judge_stack(facts)
    yield from _judge_states(facts, "state machine", facts.machines, ("ACTIVE",))
    yield from _judge_states(facts, "function", facts.functions, ("Active", "Inactive"))
    yield from judge_table(facts)
    yield from judge_bucket(facts)
    yield from judge_reconciles(facts, configuration.reconcile.schedule)
    yield judge_undelivered(facts.stack, facts.undelivered)
    yield judge_alarms(facts.stack, facts.region, facts.alarms)
    for topic in facts.topics:
        yield from judge_topic(topic, facts.region)


def judge_stack(facts: DeploymentFacts) -> Finding:
    """Whether the stack was last deployed without a failure."""
    status, stack = facts.status, facts.stack
    if isinstance(status, Unread):
        return not_checked("stack", f"The stack {stack}", status)
    said = f"The stack {stack} is {status}"
    if status in _SOUND:
        return ok("stack", said)
    if status in _EARLIER:
        return warn("stack", f"{said}: its last update was undone", f"{_DEPLOY} {stack}")
    if status.endswith("_IN_PROGRESS"):
        return warn("stack", f"{said}: look again when it has ended")
    return fail("stack", said, f"{_DEPLOY} {stack}")


def _judge_states(
    facts: DeploymentFacts,
    what: str,
    states: Mapping[str, str | Unread | None],
    sound: Sequence[str],
) -> Iterator[Finding]:
    """Whether each is there and in a sound state; those that are, in one finding."""
    check, good = what.replace(" ", "-"), 0
    for name, state in states.items():
        if isinstance(state, Unread):
            yield not_checked(check, f"The {what} {name}", state)
        elif state in sound:
            good += 1
        else:
            is_there = "does not exist" if state is None else f"is {state}"
            command = f"{_DEPLOY} {facts.stack}"
            yield fail(check, f"The {what} {name} {is_there}", command)
    if good:
        yield ok(check, f"{good} {what}{'' if good == 1 else 's'} ready")


def judge_table(facts: DeploymentFacts) -> Iterator[Finding]:
    """Whether the table is there, can be recovered, and expires its records."""
    table, name = facts.table, facts.table_name
    if isinstance(table, Unread):
        yield not_checked("table", f"The table {name}", table)
        return
    if table is None or table.status not in ("ACTIVE", "UPDATING"):
        is_there = "does not exist" if table is None else f"is {table.status}"
        yield fail("table", f"The table {name} {is_there}", f"{_DEPLOY} {facts.stack}")
        return
    yield ok("table", f"The table is {table.status}")
    place = f"--table-name {name} --region {facts.region}"
    for check, what, value, command in (
        (
            "table-recovery",
            "point-in-time recovery",
            table.recovery,
            f"aws dynamodb update-continuous-backups {place}"
            " --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
        ),
        (
            "table-expiry",
            "a time to live, by which records expire",
            table.expires,
            f"aws dynamodb update-time-to-live {place}"
            " --time-to-live-specification Enabled=true,AttributeName=expires_at",
        ),
    ):
        if isinstance(value, Unread):
            yield not_checked(check, f"Whether the table has {what}", value)
        elif value:
            yield ok(check, f"The table has {what}")
        else:
            yield warn(check, f"The table does not have {what}", command)


def judge_bucket(facts: DeploymentFacts) -> Iterator[Finding]:
    """Whether the bucket of results is there."""
    if isinstance(facts.bucket, Unread):
        yield not_checked("bucket", "The results bucket", facts.bucket)
    elif facts.bucket:
        yield ok("bucket", "The results bucket is there")
    else:
        yield fail("bucket", "The results bucket does not exist", f"{_DEPLOY} {facts.stack}")


def judge_reconciles(facts: DeploymentFacts, schedule: str) -> Iterator[Finding]:
    """Whether reconciles are scheduled, and how the newest one ended."""
    if schedule == OFF:
        yield warn(
            "schedule",
            "reconcile.schedule is off: accounts whose event is lost are enrolled only by hand",
        )
    elif isinstance(facts.schedule, Unread):
        yield not_checked("schedule", "The schedule of reconciles", facts.schedule)
    elif facts.schedule == "ENABLED":
        yield ok("schedule", f"Reconciles are scheduled: {schedule}")
    else:
        is_there = "does not exist" if facts.schedule is None else f"is {facts.schedule}"
        command = f"{_DEPLOY} {facts.stack}"
        yield fail("schedule", f"The schedule of reconciles {is_there}", command)
    newest = facts.reconcile
    start = (
        f"aws stepfunctions start-execution --state-machine-arn {facts.reconcile_machine}"
        f" --input '{{}}' --region {facts.region}"
    )
    if isinstance(newest, Unread):
        yield not_checked("reconcile", "The newest reconcile", newest)
    elif newest is None:
        yield ok("reconcile", f"No reconcile has begun yet; to start one: {start}")
    elif newest.status in ("SUCCEEDED", "RUNNING"):
        when = iso(newest.started if newest.ended is None else newest.ended, "seconds")
        word = "began" if newest.ended is None else "ended"
        said = f"The newest reconcile is {newest.status}; it {word} at {when}"
        if newest.gaps is not None:
            said += f" and left {number(newest.gaps, 'gap')}"
            said += ", which rollcall status --gaps lists" if newest.gaps else ""
        yield ok("reconcile", said)
    else:
        when = iso(newest.ended or newest.started, "seconds")
        yield warn("reconcile", f"The newest reconcile ended {newest.status} at {when}", start)


def judge_undelivered(stack: str, messages: int | Unread | None) -> Finding:
    """Whether the queue of undelivered events is empty."""
    check, what = "undelivered-events", f"The queue for undelivered events of {stack}"
    if isinstance(messages, Unread):
        return not_checked(check, what, messages)
    if messages is None:
        return fail(check, f"{what} does not exist", f"{_DEPLOY} {stack}")
    if messages:
        said = f"{what} has {messages} of them: their accounts are not enrolled"
        return fail(check, said, Names(stack).redrive)
    return ok(check, f"{what} is empty")


def judge_alarms(
    stack: str, region: str, alarms: Sequence[str] | Unread, account: str = ""
) -> Finding:
    """Whether no alarm of a stack, in an account, is in ALARM."""
    if isinstance(alarms, Unread):
        return not_checked("alarms", f"The alarms of {stack}", alarms)
    if not alarms:
        return ok("alarms", f"No alarm of {stack} is in ALARM")
    names = " ".join(alarms)
    return warn(
        "alarms",
        f"In ALARM: {', '.join(alarms)}; the alarm's description says what to do",
        f"aws cloudwatch describe-alarms --alarm-names {names} --region {region}",
        account,
    )


def judge_topic(topic: Topic, region: str) -> Iterator[Finding]:
    """Whether somebody receives what is published to a topic."""
    check, about = f"{topic.about}-topic", topic.about
    if isinstance(topic.subscriptions, Unread):
        yield not_checked(check, f"The subscriptions of the topic for {about}", topic.subscriptions)
        return
    subscribe = (
        f"aws sns subscribe --topic-arn {topic.arn} --region {region} --protocol email"
        " --notification-endpoint ADDRESS"
    )
    confirmed = Counter(one.protocol for one in topic.subscriptions if one.confirmed)
    pending = Counter(one.protocol for one in topic.subscriptions if not one.confirmed)
    if pending:
        yield warn(
            check,
            f"The topic for {about} waits for subscribers to confirm: {_counted(pending)}; to do:"
            " have them confirm the message from AWS, or subscribe them again",
            subscribe.replace("email", next(iter(pending))),
        )
    if confirmed:
        yield ok(check, f"The topic for {about} has subscribers: {_counted(confirmed)}")
    elif not pending:
        yield warn(check, f"The topic for {about} has no subscribers", subscribe)


def _counted(protocols: Counter[str]) -> str:
    return ", ".join(f"{count} {protocol}" for protocol, count in sorted(protocols.items()))


def judge_configuration(deployed: Configuration, wanted: DeploymentConfig, path: Path) -> Finding:
    """Whether what is deployed is what a cdk.json configures, as far as the steps use it."""
    ours, theirs = deployed.to_json(), wanted.configuration.to_json()
    differing = sorted(
        key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)
    )
    if differing:
        return warn(
            "configuration",
            f"{path} differs from what is deployed in {', '.join(differing)}",
            f"{_DEPLOY} {wanted.names.stack}",
        )
    return ok("configuration", f"The deployed configuration is that of {path}")


def config_problem(path: Path, error: InvalidInput) -> Finding:
    """The finding where a cdk.json cannot be read."""
    return warn("configuration", f"{path} was not compared with what is deployed: {error}")
