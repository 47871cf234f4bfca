"""What the doctor finds in the management account, which answers as AWS does."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.sessions import Clients
from functions.enrolment.account import AccountId
from infra.cli.doctor.event_path import pattern_tester
from infra.cli.doctor.finding import Level
from infra.cli.doctor.forwarding import judge_forwarder, read_forwarder
from infra.cli.doctor.samples import samples_of
from infra.cli.doctor.trails import judge_trails, read_trails
from infra.organization import Forwarder, wanted_patterns
from tests.support.builders import a_configuration

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.cli.doctor.finding import Finding
    from infra.local.process import LocalAws

HERE = "us-east-1"
CONFIGURATION = a_configuration(regions=("eu-west-1",))
WANTED = wanted_patterns(CONFIGURATION)


class Management:
    """A management account whose rules forward to a bus of its own."""

    def __init__(self, aws: LocalAws, account: str) -> None:
        patterns = {name: WANTED[name] for name in ("CreateAccountResult", "AcceptHandshake")}
        self.forwarder = Forwarder("RollcallOrganizationEvents", AccountId(account), HERE, patterns)
        self.clients = Clients(aws.session(account, HERE))
        self.events: Any = self.clients.client("events", HERE)
        self.trails: Any = self.clients.client("cloudtrail", HERE)
        self.bus: str = self.events.create_event_bus(Name="rollcall")["EventBusArn"]

    def rule(self, name: str, pattern: object, **more: Any) -> None:
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern), **more)
        self.events.put_targets(Rule=name, Targets=[{"Id": "bus", "Arn": self.bus}])

    def own_rule(self, event: str, pattern: object = None, **more: Any) -> None:
        self.rule(self.forwarder.rule_names[event], pattern or WANTED[event], **more)

    def forwarding(self) -> list[Finding]:
        """The findings about the rules that are not ok."""
        samples = samples_of(WANTED, self.forwarder.account, CONFIGURATION)
        facts = read_forwarder(self.forwarder, self.bus, self.clients)
        found = judge_forwarder(facts, self.bus, "redrive", samples, pattern_tester(self.events))
        return [one for one in found if one.check == "forwarding" and one.level is not Level.OK]

    def trail(self, region: str = HERE, **more: Any) -> None:
        trails: Any = self.clients.client("cloudtrail", region)
        trails.create_trail(Name="events", S3BucketName="bucket", **more)
        trails.start_logging(Name="events")

    def trails_are(self) -> Finding:
        sources = {"organizations.amazonaws.com"}
        trails = read_trails(self.clients, HERE)
        return judge_trails(trails, sources, HERE, self.forwarder.account)


@pytest.fixture
def management(aws: LocalAws, new_account: Callable[[], str]) -> Management:
    return Management(aws, new_account())


def test_rules_that_match_what_comes_forward_it_whatever_their_names(
    management: Management,
) -> None:
    management.own_rule("CreateAccountResult")
    management.rule("handshakes", WANTED["AcceptHandshake"])

    assert management.forwarding() == []


def test_what_no_enabled_rule_forwards_is_named(management: Management) -> None:
    created = WANTED["CreateAccountResult"]
    wrong = created | {"detail-type": ["AWS API Call via CloudTrail"]}
    management.own_rule("CreateAccountResult", wrong)
    management.own_rule("AcceptHandshake", State="DISABLED")

    mismatch, disabled = management.forwarding()

    assert "no enabled rule forwards CreateAccountResult: its rule does not" in mismatch.reason
    assert "no enabled rule forwards AcceptHandshake: its rule is disabled" in disabled.reason


def test_an_own_rule_that_forwards_what_is_ignored_is_named(management: Management) -> None:
    management.own_rule("CreateAccountResult", {"source": ["aws.organizations"]})

    [warned] = management.forwarding()

    assert warned.level is Level.WARN
    assert "CloseAccountResult" in warned.reason


@pytest.mark.parametrize(
    ("region", "given", "selectors", "level"),
    [
        (HERE, {}, None, Level.OK),
        ("eu-west-1", {"IsMultiRegionTrail": True}, None, Level.OK),
        ("eu-west-1", {}, None, Level.FAIL),
        (HERE, {"IncludeGlobalServiceEvents": False}, None, Level.WARN),
        (HERE, {}, [{"ReadWriteType": "ReadOnly"}], Level.FAIL),
        (HERE, {}, [{"IncludeManagementEvents": False}], Level.FAIL),
    ],
    ids=["here", "multi-Region", "elsewhere", "no global services", "reads", "no management"],
)
def test_a_trail_is_judged_by_what_it_delivers(
    management: Management,
    region: str,
    given: dict[str, Any],
    selectors: list[dict[str, Any]] | None,
    level: Level,
) -> None:
    management.trail(region, **given)
    if selectors:
        management.trails.put_event_selectors(TrailName="events", EventSelectors=selectors)

    assert management.trails_are().level is level


ONLY_READS = [
    {"Field": "eventCategory", "Equals": ["Management"]},
    {"Field": "readOnly", "Equals": ["true"]},
]


@pytest.mark.parametrize(
    "selectors",
    [
        {"EventSelectors": [{"ReadWriteType": "ReadOnly"}]},
        {"AdvancedEventSelectors": [{"Name": "A & B", "FieldSelectors": ONLY_READS}]},
    ],
    ids=["basic", "advanced"],
)
def test_the_selectors_in_its_command_mend_a_trail(
    management: Management, selectors: dict[str, Any]
) -> None:
    management.trail()
    management.trails.put_event_selectors(TrailName="events", **selectors)

    words = shlex.split(management.trails_are().command)
    [kind] = selectors
    management.trails.put_event_selectors(TrailName="events", **{kind: json.loads(words[6])})

    assert management.trails_are().level is Level.OK


def test_without_a_trail_there_are_no_events(management: Management) -> None:
    assert management.trails_are().level is Level.FAIL
