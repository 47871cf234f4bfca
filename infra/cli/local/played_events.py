"""The scenario ``organization``: plays the sample events on the buses AWS publishes them on."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.cli.local.deployment import ledger_of
from infra.cli.local.scenarios import ADMINISTRATOR, CONTROL_TOWER_REGION, HOME_REGION, MANAGEMENT
from infra.local.samples import SAMPLES, SAMPLES_MANAGEMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from functions.enrolment.records import OnboardingRecord
    from infra.cli.local.deployment import Deployment
    from infra.local.process import LocalAws

CREATED = "444455556666"
INVITED = "555566667777"
_RUN_SECONDS = 60
_IDLE_SECONDS = 2

STARTED, DUPLICATE, REFUSED = "started", "duplicate", "refused"
IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class PlayedEvent:
    """An event to put on the default bus of ``account``, and its expected result."""

    sample: str
    about: str
    expected: str
    region: str = "us-east-1"
    account: str = MANAGEMENT
    without_account: bool = False

    def event(self) -> dict[str, Any]:
        """The sample event with a new id and the account that it is published in."""
        text = (SAMPLES / f"{self.sample}.json").read_text()
        event: dict[str, Any] = json.loads(text.replace(SAMPLES_MANAGEMENT, MANAGEMENT))
        if self.without_account:
            del event["detail"]["serviceEventDetails"]["accountId"]
        return event | {"id": str(uuid.uuid4()), "account": self.account}


FIRST = (
    PlayedEvent("create_account_api_call", "creation requested", IGNORED),
    PlayedEvent("create_account_result_succeeded", "created", STARTED),
    PlayedEvent("account_joined_organization_created.INFERRED", "the same", DUPLICATE),
    PlayedEvent(
        "controltower_create_managed_account_succeeded",
        "the same",
        DUPLICATE,
        region=CONTROL_TOWER_REGION,
    ),
    PlayedEvent(
        "controltower_enable_baseline_succeeded",
        "the same",
        DUPLICATE,
        region=CONTROL_TOWER_REGION,
    ),
    PlayedEvent(
        "controltower_enable_baseline_organizational_unit.INFERRED",
        "none: an OU",
        IGNORED,
        region=CONTROL_TOWER_REGION,
    ),
    PlayedEvent(
        "create_gov_cloud_account_result_succeeded.INFERRED", "the same, GovCloud", DUPLICATE
    ),
    PlayedEvent("create_account_result_failed", "creation failed", IGNORED),
    PlayedEvent(
        "controltower_create_managed_account_failed",
        "creation failed",
        IGNORED,
        region=CONTROL_TOWER_REGION,
    ),
    PlayedEvent("invite_account_to_organization", "invited, not accepted", IGNORED),
    PlayedEvent("accept_handshake.INFERRED", "accepted", STARTED),
    PlayedEvent("account_joined_organization_invited.INFERRED", "the same", DUPLICATE),
    PlayedEvent("close_account_result_succeeded", "closed", IGNORED),
    PlayedEvent("remove_account_from_organization", "removed", IGNORED),
    PlayedEvent("leave_organization.INFERRED", "left", IGNORED),
    PlayedEvent("account_departed_organization_removed.INFERRED", "departed", IGNORED),
    PlayedEvent(
        "account_joined_organization_created.INFERRED",
        "no account named",
        REFUSED,
        without_account=True,
    ),
)
# Played after the first runs have ended with every membership enabled.
LATER = (
    PlayedEvent(
        "controltower_update_managed_account_succeeded",
        "enabled recently",
        DUPLICATE,
        region=CONTROL_TOWER_REGION,
    ),
    PlayedEvent("create_account_result_succeeded", "delivered again", DUPLICATE),
    PlayedEvent("move_account", "moved, enabled recently", DUPLICATE),
)
# Played after the account has opted in to a Region, as each account that may do that for it. The
# event is never a duplicate of an ended run: the account may have left the Region in between.
OPTED_IN = (
    PlayedEvent(
        "account_region_opt_in_status_change",
        "opted in by delegate",
        STARTED,
        account=ADMINISTRATOR,
    ),
)
OPTED_IN_AGAIN = (
    PlayedEvent("account_region_opt_in_status_change", "opted in by management", STARTED),
)
WAVES = (FIRST, LATER, OPTED_IN, OPTED_IN_AGAIN)
_WIDTHS = (31, 25, 11)


def play_events(console: Console, aws: LocalAws, deployment: Deployment) -> int:
    """Send all events and print their results; returns 0 if each is the expected one, else 1."""
    for account_id in (CREATED, INVITED):
        aws.world(do="add_account", account_id=account_id, organization=MANAGEMENT)
    sent: list[tuple[PlayedEvent, dict[str, Any]]] = []
    for wave in WAVES:
        if wave is OPTED_IN:
            aws.world(do="set_account", account_id=CREATED, regions=["ap-east-1"])
        for played in wave:
            event = _send(aws, played)
            sent.append((played, event))
            if played.expected == STARTED:
                _wait_for_run(aws, deployment, event["id"])
        _wait_until_idle(aws, deployment)

    results = _results(aws, deployment)
    console.print(f"\n{_row('EVENT', 'ACCOUNT', 'RESULT')}REASON")
    all_expected = True
    for played, event in sent:
        result, reason = results.get(event["id"], (IGNORED, "no rule matches it"))
        as_expected = result == played.expected
        all_expected &= as_expected
        line = _row(_name(event), played.about, result) + reason
        console.print(line, style="" if as_expected else "red", markup=False, soft_wrap=True)
    return 0 if all_expected else 1


def _row(*columns: str) -> str:
    return "".join(f"{text:<{width}}" for text, width in zip(columns, _WIDTHS, strict=True))


def _send(aws: LocalAws, played: PlayedEvent) -> dict[str, Any]:
    event = played.event()
    place = {"account": played.account, "region": played.region, "bus": "default"}
    aws.control("POST", "events", place | {"event": event})
    return event


def _wait_for_run(aws: LocalAws, deployment: Deployment, event_id: str) -> None:
    """Wait until the event's run owns memberships."""
    give_up = time.monotonic() + _RUN_SECONDS
    while time.monotonic() < give_up:
        for event, onboarding in _runs(aws, deployment):
            ledger = ledger_of(aws, deployment)
            found = ledger.findings(onboarding.id) if event["id"] == event_id else None
            if found and found.own:
                return
        time.sleep(0.1)


def _wait_until_idle(aws: LocalAws, deployment: Deployment) -> None:
    """Wait until no execution is running and none has started for ``_IDLE_SECONDS``."""
    give_up = time.monotonic() + _RUN_SECONDS
    known, idle_since = -1, time.monotonic()
    while time.monotonic() < give_up:
        statuses = [execution["status"] for execution in _executions(aws, deployment)]
        if "RUNNING" in statuses or len(statuses) != known:
            known, idle_since = len(statuses), time.monotonic()
        elif time.monotonic() - idle_since > _IDLE_SECONDS:
            return
        time.sleep(0.2)


def _executions(aws: LocalAws, deployment: Deployment) -> Sequence[dict[str, Any]]:
    machines = aws.client("stepfunctions", ADMINISTRATOR, HOME_REGION)
    pages = machines.get_paginator("list_executions").paginate(
        stateMachineArn=deployment.machine_arn
    )
    return [execution for page in pages for execution in page["executions"]]


def _runs(aws: LocalAws, deployment: Deployment) -> list[tuple[dict[str, Any], OnboardingRecord]]:
    """The events that started an execution, each with the record of its run."""
    machines = aws.client("stepfunctions", ADMINISTRATOR, HOME_REGION)
    ledger = ledger_of(aws, deployment)
    runs = []
    for execution in _executions(aws, deployment):
        described = machines.describe_execution(executionArn=execution["executionArn"])
        onboarding = ledger.onboarding(execution["name"])
        if onboarding is not None:
            runs.append((json.loads(described["input"]), onboarding))
    return runs


def _results(aws: LocalAws, deployment: Deployment) -> dict[str, tuple[str, str]]:
    """Result and reason of each event that started an execution, by the event's id."""
    return dict(_each_result(_runs(aws, deployment)))


def _each_result(
    runs: Sequence[tuple[dict[str, Any], OnboardingRecord]],
) -> Iterator[tuple[str, tuple[str, str]]]:
    names = {onboarding.id: _name(event) for event, onboarding in runs}
    for event, onboarding in runs:
        outcome = onboarding.outcome or "still running"
        kind, _, rest = outcome.partition(": " if outcome.startswith(REFUSED) else " of ")
        if kind == DUPLICATE:
            yield event["id"], (DUPLICATE, f"of the run started by {names.get(rest, rest)}")
        elif kind == REFUSED:
            yield event["id"], (REFUSED, rest)
        else:
            counts = ", ".join(f"{n} {name}" for name, n in onboarding.counts.items() if n)
            yield event["id"], (STARTED, f"{outcome}: {counts}")


def _name(event: dict[str, Any]) -> str:
    name = event["detail"].get("eventName") or event["detail-type"]
    return str(name)
