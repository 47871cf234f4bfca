"""The scenario ``organization``: the sample events, put on the management account's buses."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.cli.local.results import ledger_of
from infra.cli.local.scenarios import ADMINISTRATOR, CONTROL_TOWER_REGION, HOME_REGION, MANAGEMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from functions.enrolment.records import OnboardingRecord
    from infra.cli.local.deployment import Deployment
    from infra.local.process import LocalAws

SAMPLES = Path(__file__).parents[2] / "local" / "events"
CREATED = "444455556666"
INVITED = "555566667777"
_SAMPLES_MANAGEMENT = "111122223333"
_RUN_SECONDS = 60
_QUIET_SECONDS = 2

STARTED, DUPLICATE, REFUSED = "started", "duplicate", "refused"
IGNORED = "ignored by pattern"


@dataclass(frozen=True, slots=True)
class Sent:
    """An event on the management account's bus, and what must come of it."""

    sample: str
    about: str
    expected: str
    region: str = "us-east-1"
    without_account: bool = False

    def event(self) -> dict[str, Any]:
        """The sample, with an id of its own, as this organisation's management account gets it."""
        text = (SAMPLES / f"{self.sample}.json").read_text()
        event: dict[str, Any] = json.loads(text.replace(_SAMPLES_MANAGEMENT, MANAGEMENT))
        if self.without_account:
            del event["detail"]["serviceEventDetails"]["accountId"]
        return event | {"id": str(uuid.uuid4())}


FIRST = (
    Sent("create_account_api_call", "creation asked for", IGNORED),
    Sent("create_account_result_succeeded", "created", STARTED),
    Sent("account_joined_organization_created.INFERRED", "the same", DUPLICATE),
    Sent(
        "controltower_create_managed_account_succeeded",
        "the same",
        DUPLICATE,
        region=CONTROL_TOWER_REGION,
    ),
    Sent("create_gov_cloud_account_result_succeeded.INFERRED", "the same, GovCloud", DUPLICATE),
    Sent("create_account_result_failed", "creation failed", IGNORED),
    Sent(
        "controltower_create_managed_account_failed",
        "creation failed",
        IGNORED,
        region=CONTROL_TOWER_REGION,
    ),
    Sent("invite_account_to_organization", "invited, not accepted", IGNORED),
    Sent("accept_handshake.INFERRED", "accepted", STARTED),
    Sent("account_joined_organization_invited.INFERRED", "the same", DUPLICATE),
    Sent("close_account_result_succeeded", "closed", IGNORED),
    Sent("remove_account_from_organization", "removed", IGNORED),
    Sent("leave_organization.INFERRED", "left", IGNORED),
    Sent("account_departed_organization_removed.INFERRED", "departed", IGNORED),
    Sent(
        "account_joined_organization_created.INFERRED",
        "no account named",
        REFUSED,
        without_account=True,
    ),
)
# After the first runs have ended Enabled.
LATER = (
    Sent(
        "controltower_update_managed_account_succeeded",
        "enabled lately",
        DUPLICATE,
        region=CONTROL_TOWER_REGION,
    ),
    Sent("create_account_result_succeeded", "delivered once more", DUPLICATE),
    Sent("move_account", "moved, enabled lately", DUPLICATE),
)
# After the account has opted in to a Region.
LAST = (Sent("account_region_opt_in_status_change", "opted in to ap-east-1", STARTED),)
_WIDTHS = (31, 23, 20)


def play_arrivals(console: Console, aws: LocalAws, deployment: Deployment) -> int:
    """Send all of them and show what came of each; exit status 0 when that is what must."""
    for account_id in (CREATED, INVITED):
        aws.world(do="add_account", account_id=account_id, organization=MANAGEMENT)
    sent: list[tuple[Sent, dict[str, Any]]] = []
    for wave in (FIRST, LATER, LAST):
        if wave is LAST:
            aws.world(do="set_account", account_id=CREATED, regions=["ap-east-1"])
        for one in wave:
            sent.append((one, _send(aws, one)))
            if one.expected == STARTED:
                _until_at_work(aws, deployment, sent[-1][1]["id"])
        _until_quiet(aws, deployment)

    outcomes = _outcomes(aws, deployment)
    console.print(f"\n{_row('EVENT', 'ACCOUNT', 'CAME OF IT')}WHY")
    right = True
    for one, event in sent:
        result, why = outcomes.get(event["id"], (IGNORED, "no rule matches it"))
        as_expected = result == one.expected
        right &= as_expected
        line = _row(_name(event), one.about, result) + why
        console.print(line, style="" if as_expected else "red", markup=False, soft_wrap=True)
    return 0 if right else 1


def _row(*columns: str) -> str:
    return "".join(f"{text:<{width}}" for text, width in zip(columns, _WIDTHS, strict=True))


def _send(aws: LocalAws, one: Sent) -> dict[str, Any]:
    event = one.event()
    where = {"account": MANAGEMENT, "region": one.region, "bus": "default"}
    aws.control("POST", "events", where | {"event": event})
    return event


def _until_at_work(aws: LocalAws, deployment: Deployment, event_id: str) -> None:
    """Wait until the event's run has claimed its account."""
    give_up = time.monotonic() + _RUN_SECONDS
    while time.monotonic() < give_up:
        for event, onboarding in _runs(aws, deployment):
            ledger = ledger_of(aws, deployment)
            found = ledger.findings(onboarding.id) if event["id"] == event_id else None
            if found and found.own:
                return
        time.sleep(0.1)


def _until_quiet(aws: LocalAws, deployment: Deployment) -> None:
    """Wait until no execution runs and none has begun for a while."""
    give_up = time.monotonic() + _RUN_SECONDS
    known, quiet_since = -1, time.monotonic()
    while time.monotonic() < give_up:
        statuses = [execution["status"] for execution in _executions(aws, deployment)]
        if "RUNNING" in statuses or len(statuses) != known:
            known, quiet_since = len(statuses), time.monotonic()
        elif time.monotonic() - quiet_since > _QUIET_SECONDS:
            return
        time.sleep(0.2)


def _executions(aws: LocalAws, deployment: Deployment) -> Sequence[dict[str, Any]]:
    machines = aws.client("stepfunctions", ADMINISTRATOR, HOME_REGION)
    pages = machines.get_paginator("list_executions").paginate(
        stateMachineArn=deployment.machine_arn
    )
    return [execution for page in pages for execution in page["executions"]]


def _runs(aws: LocalAws, deployment: Deployment) -> list[tuple[dict[str, Any], OnboardingRecord]]:
    """The events that started an execution, and what is remembered of each run."""
    machines = aws.client("stepfunctions", ADMINISTRATOR, HOME_REGION)
    ledger = ledger_of(aws, deployment)
    runs = []
    for execution in _executions(aws, deployment):
        told = machines.describe_execution(executionArn=execution["executionArn"])
        onboarding = ledger.onboarding(execution["name"])
        if onboarding is not None:
            runs.append((json.loads(told["input"]), onboarding))
    return runs


def _outcomes(aws: LocalAws, deployment: Deployment) -> dict[str, tuple[str, str]]:
    """What came of each event that started an execution, by the event's id, and why."""
    return dict(_each_outcome(_runs(aws, deployment)))


def _each_outcome(
    runs: Sequence[tuple[dict[str, Any], OnboardingRecord]],
) -> Iterator[tuple[str, tuple[str, str]]]:
    names = {onboarding.id: _name(event) for event, onboarding in runs}
    for event, onboarding in runs:
        outcome = onboarding.outcome or "still running"
        kind, _, rest = outcome.partition(": " if outcome.startswith(REFUSED) else " of ")
        if kind == DUPLICATE:
            yield event["id"], (DUPLICATE, f"of the run of {names.get(rest, rest)}")
        elif kind == REFUSED:
            yield event["id"], (REFUSED, rest)
        else:
            counts = ", ".join(f"{n} {what}" for what, n in onboarding.counts.items() if n)
            yield event["id"], (STARTED, f"{outcome}: {counts}")


def _name(event: dict[str, Any]) -> str:
    name = event["detail"].get("eventName") or event["detail-type"]
    return str(name)
