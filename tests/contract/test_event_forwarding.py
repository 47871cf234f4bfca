"""Events on their way between buses, accounts and Regions of the local AWS."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, WaiterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.local.process import LocalAws

ORIGIN = "us-east-1"
HOME = "eu-west-1"
PATTERN = {"source": ["aws.organizations"]}
TRUSTED = {"Service": "events.amazonaws.com"}


@dataclass(frozen=True, slots=True)
class Place:
    """One account in one Region."""

    aws: LocalAws
    account: str
    region: str

    def client(self, service: str) -> Any:
        return self.aws.client(service, self.account, self.region)

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def bus(self, name: str) -> str:
        arn: str = self.client("events").create_event_bus(Name=name)["EventBusArn"]
        return arn

    def queue(self, name: str, admits: bool = True) -> str:
        queues, arn = self.client("sqs"), self.arn("sqs", name)
        url: str = queues.create_queue(QueueName=name)["QueueUrl"]
        allow = statement("sqs:SendMessage", arn, TRUSTED)
        # As CDK's enforceSSL, which EventBridge's own calls must get past.
        insecure = statement("sqs:*", arn, "*") | {
            "Effect": "Deny",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        if admits:
            policy = document(allow, insecure)
            queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        return arn

    def role(self, allowed: str, principal: object = TRUSTED, name: str = "forwards") -> str:
        roles = self.client("iam")
        trust = document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})
        role = roles.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
        grant = {"Effect": "Allow", "Action": ["events:PutEvents"], "Resource": allowed}
        roles.put_role_policy(RoleName=name, PolicyName="target", PolicyDocument=document(grant))
        arn: str = role["Arn"]
        return arn

    def rule(
        self,
        target: str,
        bus: str = "default",
        name: str = "accounts",
        pattern: dict[str, Any] = PATTERN,
        **more: Any,
    ) -> str:
        events = self.client("events")
        rule = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        events.put_targets(
            Rule=name, EventBusName=bus, Targets=[{"Id": "target", "Arn": target, **more}]
        )
        arn: str = rule["RuleArn"]
        return arn

    def admit(self, bus: str, **permission: Any) -> None:
        self.client("events").put_permission(EventBusName=bus, **permission)

    @contextmanager
    def admitting(self, account: str, bus: str = "rollcall") -> Iterator[None]:
        """With a permission for an account."""
        events, statement_id = self.client("events"), "while-targets-are-made"
        self.admit(bus, StatementId=statement_id, Action="events:PutEvents", Principal=account)
        yield
        events.remove_permission(EventBusName=bus, StatementId=statement_id)

    def found_organization(self) -> str:
        """Makes the account a management account; the organisation's id."""
        self.aws.world(do="create_organization", management=self.account)
        described = self.client("organizations").describe_organization()["Organization"]
        return str(described["Id"])

    def emit(self, name: str = "CreateAccountResult") -> dict[str, Any]:
        """A service event on the default bus, which is also what is given back."""
        event = {
            "version": "0",
            "id": "00000000-0000-0000-0000-000000000001",
            "detail-type": "AWS Service Event via CloudTrail",
            "source": "aws.organizations",
            "account": self.account,
            "time": "2026-11-21T10:00:00Z",
            "region": self.region,
            "resources": [f"arn:aws:organizations::{self.account}:account/o-1/444455556666"],
            "detail": {"eventName": name},
        }
        where = {"account": self.account, "region": self.region, "bus": "default"}
        self.aws.control("POST", "events", where | {"event": event})
        return event

    def received(self, name: str, seconds: int = 0) -> list[dict[str, Any]]:
        """The messages of a queue; delivery to it is made before `emit` returns."""
        queues = self.client("sqs")
        url = queues.get_queue_url(QueueName=name)["QueueUrl"]
        messages: list[dict[str, Any]] = queues.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            WaitTimeSeconds=seconds,
        ).get("Messages", [])
        return messages

    def events(self, name: str, seconds: int = 0) -> list[dict[str, Any]]:
        return [json.loads(message["Body"]) for message in self.received(name, seconds)]


@pytest.fixture
def sender(aws: LocalAws, new_account: Callable[[], str]) -> Place:
    return Place(aws, new_account(), ORIGIN)


@pytest.fixture
def receiver(aws: LocalAws, new_account: Callable[[], str]) -> Place:
    """With a bus from which everything goes to a queue."""
    place = Place(aws, new_account(), HOME)
    place.bus("rollcall")
    place.rule(place.queue("arrived"), bus="rollcall")
    return place


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(action: str, resource: str, principal: object) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, "Principal": principal}


def forward(sender: Place, receiver: Place, **changes: Any) -> str:
    """The sender's rule on its default bus, with a dead-letter queue; its ARN.

    The bus admits the sender while the target is made, and as before afterwards.
    """
    bus = receiver.arn("events", "event-bus/rollcall")
    target = {
        "target": bus,
        "RoleArn": sender.role(bus) if "RoleArn" not in changes else "",
        "DeadLetterConfig": {"Arn": sender.queue("undelivered")},
    }
    with receiver.admitting(sender.account):
        return sender.rule(**(target | changes))


def error(place: Place, queue: str = "undelivered") -> tuple[str, dict[str, Any]]:
    """The error code of the only dead letter, and the event it carries."""
    (message,) = place.received(queue)
    code: str = message["MessageAttributes"]["ERROR_CODE"]["StringValue"]
    return code, json.loads(message["Body"])


def test_an_event_arrives_in_another_account_and_region_as_it_left(
    sender: Place, receiver: Place
) -> None:
    forward(sender, receiver)
    receiver.admit(
        "rollcall", StatementId="sender", Action="events:PutEvents", Principal=sender.account
    )

    event = sender.emit()

    assert receiver.events("arrived") == [event]
    assert sender.received("undelivered") == []


def test_an_event_arrives_in_another_region_of_its_account(sender: Place) -> None:
    elsewhere = Place(sender.aws, sender.account, HOME)
    bus = elsewhere.arn("events", "event-bus/default")
    # Both rules have one name: they are apart by Region alone.
    with elsewhere.admitting(sender.account, "default"):
        sender.rule(bus, RoleArn=sender.role(bus))
    elsewhere.rule(elsewhere.queue("arrived"))

    event = sender.emit()

    assert elsewhere.events("arrived") == [event]


def by_organization(sender: Place, rule: str) -> dict[str, Any]:
    organization = sender.found_organization()
    return {"Principal": "*", "Condition": equals("aws:PrincipalOrgID", organization)}


def by_rule(sender: Place, rule: str) -> dict[str, Any]:
    account = {"AWS": f"arn:aws:iam::{sender.account}:root"}
    return {"Principal": account, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}


def by_role(sender: Place, rule: str) -> dict[str, Any]:
    role = f"arn:aws:iam::{sender.account}:role/forwards"
    return {"Principal": "*", "Condition": {"ArnEquals": {"aws:PrincipalArn": role}}}


def by_wildcard(sender: Place, rule: str) -> dict[str, Any]:
    return {"Principal": "*"}


def equals(key: str, value: str) -> dict[str, Any]:
    return {"StringEquals": {key: value}}


@pytest.mark.parametrize("admission", [by_organization, by_rule, by_role, by_wildcard])
def test_a_bus_admits_whom_its_policy_names(
    sender: Place, receiver: Place, admission: Callable[[Place, str], dict[str, Any]]
) -> None:
    bus = receiver.arn("events", "event-bus/rollcall")
    rule = forward(sender, receiver)
    allowed = statement("events:PutEvents", bus, "") | admission(sender, rule)
    receiver.admit("rollcall", Policy=document(allowed))

    event = sender.emit()

    assert receiver.events("arrived") == [event]


def test_a_permission_on_condition_of_the_organisation_admits_its_accounts_only(
    aws: LocalAws, sender: Place, receiver: Place, new_account: Callable[[], str]
) -> None:
    organization = sender.found_organization()
    condition = {"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": organization}
    receiver.admit(
        "rollcall",
        StatementId="organisation",
        Action="events:PutEvents",
        Principal="*",
        Condition=condition,
    )
    outsider = Place(aws, new_account(), ORIGIN)
    forward(sender, receiver)
    forward(outsider, receiver)

    event, refused = sender.emit(), outsider.emit()

    assert receiver.events("arrived") == [event]
    assert error(outsider) == ("NO_PERMISSIONS", refused)


@pytest.mark.parametrize(
    "condition",
    [
        equals("aws:PrincipalOrgID", "o-another000"),
        {"ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:111122223333:rule/another"}},
        {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/another"}},
        {"StringEquals": {"events:source": "aws.controltower"}},
        None,
    ],
)
def test_an_event_a_bus_does_not_admit_is_kept_with_the_reason(
    sender: Place, receiver: Place, condition: dict[str, Any] | None
) -> None:
    bus = receiver.arn("events", "event-bus/rollcall")
    rule = forward(sender, receiver)
    if condition:
        allowed = statement("events:PutEvents", bus, "*") | {"Condition": condition}
        receiver.admit("rollcall", Policy=document(allowed))

    event = sender.emit()

    (message,) = sender.received("undelivered")
    said = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    text = (
        f"arn:aws:iam::{sender.account}:role/forwards is not authorized to perform: "
        f"events:PutEvents on resource: {bus} by the target's policy"
    )
    assert json.loads(message["Body"]) == event
    assert said == {
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": text,
        "RULE_ARN": rule,
        "TARGET_ARN": bus,
    }
    assert receiver.received("arrived") == []


def test_a_role_that_may_not_send_there_sends_nothing(sender: Place, receiver: Place) -> None:
    receiver.admit("rollcall", Policy=everyone_may(receiver))
    forward(sender, receiver, RoleArn=sender.role(receiver.arn("events", "event-bus/another")))

    event = sender.emit()

    assert error(sender) == ("NO_PERMISSIONS", event)
    assert receiver.received("arrived") == []


def test_a_role_that_does_not_trust_eventbridge_sends_nothing(
    sender: Place, receiver: Place
) -> None:
    receiver.admit("rollcall", Policy=everyone_may(receiver))
    role = sender.role("*", principal={"Service": "lambda.amazonaws.com"})
    forward(sender, receiver, RoleArn=role)

    event = sender.emit()

    assert error(sender) == ("FAILED_TO_ASSUME_ROLE", event)


def everyone_may(receiver: Place) -> str:
    bus = receiver.arn("events", "event-bus/rollcall")
    return document(statement("events:PutEvents", bus, "*"))


def test_an_event_for_what_is_not_there_is_kept(sender: Place) -> None:
    missing = [
        sender.bus("missing"),
        sender.arn("lambda", "function:missing"),
        sender.arn("sns", "missing"),
        sender.arn("sqs", "missing"),
        sender.arn("states", "stateMachine:missing"),
    ]
    queue, role = sender.queue("undelivered"), sender.role("*")
    for number, target in enumerate(missing):
        sender.rule(target, name=f"rule-{number}", RoleArn=role, DeadLetterConfig={"Arn": queue})

    sender.client("events").delete_event_bus(Name="missing")

    sender.emit()

    kept = [
        (attributes["TARGET_ARN"]["StringValue"], attributes["ERROR_CODE"]["StringValue"])
        for attributes in (m["MessageAttributes"] for m in sender.received("undelivered"))
    ]
    assert sorted(kept) == [(target, "NO_RESOURCE") for target in missing]


def test_a_state_machine_is_started_only_with_a_role_that_may(sender: Place) -> None:
    states, role = sender.client("stepfunctions"), sender.role("*")
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    machine = states.create_state_machine(name="m", definition=definition, roleArn=role)
    arn = machine["stateMachineArn"]
    sender.rule(arn, RoleArn=role, DeadLetterConfig={"Arn": sender.queue("undelivered")})

    refused = sender.emit()
    grant = {"Effect": "Allow", "Action": "states:StartExecution", "Resource": arn}
    sender.client("iam").put_role_policy(
        RoleName="forwards", PolicyName="target", PolicyDocument=document(grant)
    )
    started = sender.emit()

    assert error(sender) == ("NO_PERMISSIONS", refused)
    (execution,) = states.list_executions(stateMachineArn=arn)["executions"]
    described = states.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(described["input"]) == started


def test_a_queue_that_does_not_admit_eventbridge_keeps_nothing(
    sender: Place, receiver: Place
) -> None:
    closed = sender.queue("closed", admits=False)
    forward(sender, receiver, DeadLetterConfig={"Arn": closed})

    sender.emit()

    assert sender.received("closed") == []


def test_an_event_goes_to_one_other_account_only(
    aws: LocalAws, sender: Place, receiver: Place, new_account: Callable[[], str]
) -> None:
    third = Place(aws, new_account(), HOME)
    third.bus("rollcall")
    receiver.admit("rollcall", Policy=everyone_may(receiver))
    third.admit("rollcall", Policy=everyone_may(third))
    forward(sender, receiver)
    bus = third.arn("events", "event-bus/rollcall")
    receiver.rule(
        bus,
        bus="rollcall",
        name="onwards",
        RoleArn=receiver.role(bus),
        DeadLetterConfig={"Arn": receiver.queue("undelivered")},
    )

    event = sender.emit()

    assert receiver.events("arrived") == [event]
    assert error(receiver) == ("THIRD_ACCOUNT_HOP_DETECTED", event)


def test_buses_that_forward_to_each_other_come_to_an_end(sender: Place) -> None:
    there, back = sender.bus("there"), sender.arn("events", "event-bus/default")
    role = sender.role("*")
    sender.rule(there, RoleArn=role)
    sender.rule(back, bus="there", RoleArn=role)
    sender.rule(sender.queue("seen"), name="seen")

    event = sender.emit()

    assert sender.events("seen") == [event, event]


def test_a_created_account_is_known_on_the_bus_of_the_administrator(
    sender: Place, receiver: Place
) -> None:
    sender.found_organization()
    forward(sender, receiver, pattern={"detail": {"eventName": ["CreateAccountResult"]}})
    receiver.admit("rollcall", Policy=everyone_may(receiver))

    created = sender.client("organizations").create_account(
        Email="new@example.com", AccountName="new"
    )["CreateAccountStatus"]
    # It takes a while, on the clock of the services.
    sender.aws.control("POST", "clock", {"advance": 60})

    (event,) = receiver.events("arrived", seconds=20)
    announced = event["detail"]["serviceEventDetails"]["createAccountStatus"]
    assert (event["account"], event["region"]) == (sender.account, ORIGIN)
    assert (announced["id"], announced["state"]) == (created["Id"], "SUCCEEDED")


@pytest.mark.parametrize("caller", ["management", "administrator"])
def test_an_opt_in_is_known_on_the_bus_of_the_account_that_made_it(
    aws: LocalAws, sender: Place, new_account: Callable[[], str], caller: str
) -> None:
    administrator = Place(aws, new_account(), ORIGIN)
    member = new_account()
    sender.found_organization()
    for account in (administrator.account, member):
        aws.world(do="add_account", account_id=account, organization=sender.account)
    aws.world(do="trust", management=sender.account, principal="account.amazonaws.com")
    sender.client("organizations").register_delegated_administrator(
        AccountId=administrator.account, ServicePrincipal="account.amazonaws.com"
    )
    for place in (sender, administrator):
        enabled = {"source": ["aws.account"], "detail": {"status": ["ENABLED"]}}
        place.rule(place.queue("arrived"), pattern=enabled)
    at, other = (sender, administrator) if caller == "management" else (administrator, sender)

    at.client("account").enable_region(AccountId=member, RegionName="ap-east-1")
    aws.control("POST", "clock", {"advance": 60})

    (event,) = at.events("arrived", seconds=20)
    assert event["account"] == at.account
    assert event["detail"] == {
        "accountId": member,
        "regionName": "ap-east-1",
        "status": "ENABLED",
    }
    assert other.events("arrived") == []


IDENTITIES = ("caller", "role", "account", "rule")
# What each admission names; the rule and the role as the forwarding stacks call them.
ADMISSIONS: dict[str, Callable[[Place], dict[str, Any]]] = {
    "account": lambda _: {},
    "role": lambda sender: {"aws:PrincipalArn": f"arn:aws:iam::{sender.account}:role/forwards"},
    "rule": lambda sender: {"aws:SourceArn": sender.arn("events", "rule/accounts")},
}


@pytest.fixture
def check_with(aws: LocalAws) -> Iterator[Callable[[str], object]]:
    """Sets the identity that PutTargets checks with."""
    yield lambda identity: aws.world(do="set_switches", events_target_identity=identity)
    aws.world(do="set_switches", events_target_identity="account")


def admit(sender: Place, receiver: Place, admission: str) -> None:
    """As `infra.constructs.bus_admission` admits a forwarder."""
    bus, condition = receiver.arn("events", "event-bus/rollcall"), ADMISSIONS[admission](sender)
    root = {"AWS": f"arn:aws:iam::{sender.account}:root"}
    allowed = statement("events:PutEvents", bus, root)
    if condition:
        allowed["Condition"] = {"ArnEquals": condition}
    receiver.admit("rollcall", Policy=document(allowed))


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("admission", ADMISSIONS)
def test_a_target_is_made_if_the_bus_admits_the_identity_that_is_checked(
    sender: Place,
    receiver: Place,
    check_with: Callable[[str], object],
    admission: str,
    identity: str,
) -> None:
    bus = receiver.arn("events", "event-bus/rollcall")
    admit(sender, receiver, admission)
    role = sender.role(bus)
    check_with(identity)

    if admission in ("account", identity):
        sender.rule(bus, RoleArn=role)
        event = sender.emit()
        assert receiver.events("arrived") == [event]
    else:
        with pytest.raises(ClientError, match="no resource-based policy allows") as refused:
            sender.rule(bus, RoleArn=role)
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
        assert sender.client("events").list_targets_by_rule(Rule="accounts")["Targets"] == []


@pytest.mark.parametrize(
    ("admission", "lets_in"),
    [
        ("account", {"accounts", "another rule", "another role"}),
        ("role", {"accounts", "another rule"}),
        ("rule", {"accounts", "another role"}),
    ],
)
def test_each_admission_lets_in_what_it_names_from_the_account_and_nothing_else(
    aws: LocalAws,
    sender: Place,
    receiver: Place,
    new_account: Callable[[], str],
    admission: str,
    lets_in: set[str],
) -> None:
    bus = receiver.arn("events", "event-bus/rollcall")
    stranger = Place(aws, new_account(), ORIGIN)
    role, other = sender.role(bus), sender.role(bus, name="another")
    with receiver.admitting(sender.account):
        sender.rule(bus, RoleArn=role, pattern=about("accounts"))
        sender.rule(bus, name="another", RoleArn=role, pattern=about("another rule"))
    forward(stranger, receiver)
    admit(sender, receiver, admission)

    sent = {"accounts": sender.emit("accounts"), "another rule": sender.emit("another rule")}
    with receiver.admitting(sender.account):
        sender.rule(bus, RoleArn=other, pattern=about("another role"))
    sent["another role"] = sender.emit("another role")
    stranger.emit()

    assert receiver.events("arrived") == [sent[what] for what in sent if what in lets_in]
    assert len(stranger.received("undelivered")) == 1


def about(name: str) -> dict[str, Any]:
    return {"detail": {"eventName": [name]}}


def test_a_target_in_another_region_of_the_account_needs_a_policy_too(sender: Place) -> None:
    elsewhere = Place(sender.aws, sender.account, HOME)
    bus = elsewhere.bus("rollcall")

    with pytest.raises(ClientError, match="AccessDeniedException"):
        sender.rule(bus, RoleArn=sender.role(bus))


def test_cloudformation_makes_all_of_it_and_takes_it_away(sender: Place, receiver: Place) -> None:
    bus, undelivered = receiver.arn("events", "event-bus/rollcall"), sender.queue("undelivered")
    policy = {
        "StatementId": "Sender",
        "EventBusName": "rollcall",
        "Statement": statement(
            "events:PutEvents", bus, {"AWS": f"arn:aws:iam::{sender.account}:root"}
        ),
    }
    deploy(receiver, Policy={"Type": "AWS::Events::EventBusPolicy", "Properties": policy})
    grant = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
    trust = {"Effect": "Allow", "Principal": TRUSTED, "Action": "sts:AssumeRole"}
    # As CDK does it, the policy is a resource of its own.
    granted = {
        "PolicyName": "target",
        "PolicyDocument": json.loads(document(grant)),
        "Roles": [{"Ref": "Role"}],
    }
    role = {"AssumeRolePolicyDocument": json.loads(document(trust))}
    target = {
        "Id": "bus",
        "Arn": bus,
        "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
        "DeadLetterConfig": {"Arn": undelivered},
    }
    deploy(
        sender,
        Role={"Type": "AWS::IAM::Role", "Properties": role},
        Granted={"Type": "AWS::IAM::Policy", "Properties": granted},
        Rule={
            "Type": "AWS::Events::Rule",
            "Properties": {"EventPattern": PATTERN, "Targets": [target]},
        },
    )

    delivered = sender.emit()
    stacks = receiver.client("cloudformation")
    stacks.delete_stack(StackName="events")
    stacks.get_waiter("stack_delete_complete").wait(
        StackName="events", WaiterConfig={"Delay": 0, "MaxAttempts": 200}
    )
    refused = sender.emit()

    assert receiver.events("arrived") == [delivered]
    assert error(sender) == ("NO_PERMISSIONS", refused)


@pytest.mark.parametrize("there", [True, False], ids=["without a policy", "without the bus"])
def test_cloudformation_fails_where_the_bus_does_not_admit_the_target_yet(
    aws: LocalAws, sender: Place, receiver: Place, new_account: Callable[[], str], there: bool
) -> None:
    owner = receiver if there else Place(aws, new_account(), HOME)
    bus = owner.arn("events", "event-bus/rollcall")
    target = {"Id": "bus", "Arn": bus, "RoleArn": sender.role(bus)}
    rule = {"Name": "accounts", "EventPattern": PATTERN, "Targets": [target]}

    with pytest.raises(WaiterError):
        deploy(sender, Rule={"Type": "AWS::Events::Rule", "Properties": rule})

    events = sender.client("cloudformation").describe_stack_events(StackName="events")
    reasons = [event.get("ResourceStatusReason", "") for event in events["StackEvents"]]
    assert any("AccessDeniedException" in reason and bus in reason for reason in reasons)
    assert sender.client("events").list_rules()["Rules"] == []


def deploy(place: Place, **resources: Any) -> None:
    stacks = place.client("cloudformation")
    stacks.create_stack(StackName="events", TemplateBody=json.dumps({"Resources": resources}))
    stacks.get_waiter("stack_create_complete").wait(
        StackName="events", WaiterConfig={"Delay": 0, "MaxAttempts": 200}
    )
