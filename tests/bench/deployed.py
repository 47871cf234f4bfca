"""What it takes to enrol a whole organisation: deployed to the local AWS, with one reconcile."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from infra.asset import ROOT
from infra.cli.local.deployment import NAMES, Deployer, Deployment, Place
from infra.cli.local.scenarios import (
    ADMINISTRATOR,
    HOME_REGION,
    MANAGEMENT,
    REGIONS,
    SCENARIOS,
    SERVICES,
    found_organization,
)
from infra.cli.local.subscriber import Subscriber
from infra.cli.stack import stack_outputs
from infra.local.process import local_aws
from tests.bench.processes import sampled
from tests.bench.report import Table, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from infra.local.process import LocalAws
    from tests.bench.processes import Peak

SIZES = (200, 2_000)
TARGETS = len(SERVICES) * len(REGIONS)
_BATCH = 50
# The most members that one call of ListMembers returns.
_PAGES = {"securityhub": 50, "guardduty": 50, "detective": 200}
_LOG = ROOT / ".build" / "bench" / "aws.log"
_SECONDS = 1800.0
_POLL = 0.5
# MiniStack returns no more of a log group, in one page.
_MOST_LINES = 10_000
_MOST_CHANGES = 50_000
# AWS's is 1,200 members of a behavior graph, which would leave out accounts in the second row.
_LIMITS = {"detective": 10_000}
# Long enough for a busy machine, too: what is measured is how long it takes.
_DEADLINES = dict.fromkeys(("organization_deadline", "volume_deadline", "hold", "refusal"), "1h")


@dataclass(frozen=True, slots=True)
class _Row:
    """One reconcile of ``accounts`` that nobody has enrolled, beside ``known`` members of each
    target.

    Seconds: ``deploying`` for this row, ``seconds`` from the reconcile's start to its end,
    ``until_enabled`` from its start until the last membership was Enabled. ``calls`` by service.
    """

    accounts: int
    known: int
    enabled: int
    deploying: float
    seconds: float
    until_enabled: float
    calls: Mapping[str, int]
    invocations: int
    peak: Peak

    @property
    def bound(self) -> int:
        """The fewest calls: list each target once, create and verify each batch once."""
        batches = ceil(self.accounts / _BATCH)
        pages = sum(max(1, ceil(self.known / size)) for size in _PAGES.values())
        return len(REGIONS) * (pages + len(SERVICES) * 2 * batches)


def measured() -> Sequence[Table]:
    """One deployment; the accounts of the second row are added after the first reconcile."""
    rows = []
    with _deployed() as (aws, deployment, deploying):
        known = 0
        for accounts in SIZES:
            rows.append(_reconciled(aws, deployment, accounts, known, deploying))
            known, deploying = known + accounts, 0.0
    return [_table(rows)]


@contextmanager
def _deployed() -> Iterator[tuple[LocalAws, Deployment, float]]:
    """Rollcall on a local AWS with its organisation, as `make local` deploys it, and the seconds
    that bootstrapping and deploying took. The folder is removed at the end, the log stays."""
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    _LOG.unlink(missing_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=_LOG.parent, ignore_cleanup_errors=True) as folder,
        patch.dict(os.environ, _places_to_write(Path(folder))),
        local_aws(_LOG) as aws,
    ):
        organization = found_organization(aws, REGIONS)
        # Only its own users can enable a service in the management account.
        for service in SERVICES:
            where = {"account_id": MANAGEMENT, "regions": list(REGIONS)}
            aws.world(do="enable", service=service, **where)
        aws.world(do="set_limits", **_LIMITS)
        began = time.monotonic()
        deployer, place = Deployer(aws, Path(folder)), Place(ADMINISTRATOR, HOME_REGION)
        configuration = SCENARIOS["backfill"].configuration(organization)
        configuration["timing"] |= _DEADLINES
        deployer.bootstrap_and_synthesise(configuration, place)
        deployment = deployer.deploy_rollcall(place)
        yield aws, deployment, time.monotonic() - began


def _places_to_write(folder: Path) -> dict[str, str]:
    """The variables that keep all temporary files of the CDK, of the local AWS and of its workers
    in the folder, and jsii's copies of packages, which take seconds to make, beside it."""
    return {
        "TMPDIR": str(folder),
        "CDK_HOME": str(folder),
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(_LOG.parent / "jsii"),
    }


def _reconciled(
    aws: LocalAws, deployment: Deployment, accounts: int, known: int, deploying: float
) -> _Row:
    """Add accounts until there are ``accounts`` to enrol, and reconcile."""
    # The management account is the first; the administrator account is no member of itself.
    for index in range(max(known, 1), known + accounts):
        aws.world(
            do="add_account", account_id=f"{300_000_000_000 + index}", organization=MANAGEMENT
        )
    subscriber = Subscriber(aws, ADMINISTRATOR, HOME_REGION, deployment)
    aws.control("DELETE", "calls")
    machines = aws.client("stepfunctions", ADMINISTRATOR, HOME_REGION)
    cloudformation = aws.client("cloudformation", ADMINISTRATOR, HOME_REGION)
    machine = stack_outputs(cloudformation, NAMES.stack, "ReconcileMachineArn")
    document = json.dumps({"most_changes": _MOST_CHANGES})
    with sampled(aws.process.pid) as peak:
        started, began = time.time(), time.monotonic()
        execution = machines.start_execution(
            stateMachineArn=machine["ReconcileMachineArn"], input=document
        )["executionArn"]
        ended = _ended(machines, execution)
        seconds = time.monotonic() - began
        name = execution.rpartition(":")[2]
        published = subscriber.receive(lambda result: result.get("id") == name, seconds=60)
    since = [at - started for at in _enabled(aws) if at >= started]
    if ended["status"] != "SUCCEEDED" or len(published) < 2:
        raise AssertionError(f"{ended['status']}: {ended.get('cause')}; {sorted(published)}")
    _require_enabled(published["bus"], known + accounts)
    if len(since) != accounts * TARGETS:
        raise AssertionError(f"{len(since)} of {accounts * TARGETS} memberships Enabled")
    calls = aws.control("GET", "calls")["calls"]
    return _Row(
        accounts,
        known,
        len(since),
        deploying,
        seconds,
        max(since),
        Counter(call["service"] for call in calls if call["service"] in SERVICES),
        _invocations(aws, started),
        peak,
    )


def _ended(machines: Any, execution: str) -> dict[str, Any]:
    give_up = time.monotonic() + _SECONDS
    while time.monotonic() < give_up:
        described: dict[str, Any] = machines.describe_execution(executionArn=execution)
        if described["status"] != "RUNNING":
            return described
        time.sleep(_POLL)
    raise TimeoutError(f"{execution} has not ended after {_SECONDS:.0f} s")


def _require_enabled(result: Mapping[str, Any], accounts: int) -> None:
    """All that the result says of its targets is that every account is Enabled there."""
    found = {
        (target["service"], target["region"]): target["after"]["enabled"]
        for target in result["targets"]
    }
    if set(found.values()) != {accounts} or len(found) != TARGETS or result["gaps_left"]:
        raise AssertionError(
            f"{result['outcome']}: {accounts} accounts, Enabled {found}; {result['gaps'][:3]}"
        )


def _enabled(aws: LocalAws) -> Iterator[float]:
    """When each membership became Enabled that is so now, as the services know it."""
    for one in aws.control("GET", "state")["memberships"]:
        if one["administrator"] == ADMINISTRATOR and one["status"].casefold() == "enabled":
            yield one["history"][-1]["at"]


def _invocations(aws: LocalAws, since: float) -> int:
    """How many functions were invoked since then (epoch seconds), as their logs say."""
    logs = aws.client("logs", ADMINISTRATOR, HOME_REGION)
    pages = logs.get_paginator("describe_log_groups").paginate()
    started = 0
    for group in (group["logGroupName"] for page in pages for group in page["logGroups"]):
        found = logs.filter_log_events(
            logGroupName=group,
            startTime=int(since * 1000),
            filterPattern='"START RequestId"',
            limit=_MOST_LINES,
        )["events"]
        if len(found) == _MOST_LINES:
            raise AssertionError(f"{group}: {_MOST_LINES} invocations or more")
        started += len(found)
    return started


def _table(rows: Sequence[_Row]) -> Table:
    return Table(
        f"One reconcile of a whole organisation on the local AWS, {TARGETS} targets",
        (
            "accounts",
            "members before",
            "Enabled at the end",
            "deploying, s",
            "reconcile, s",
            "until the last is Enabled, s",
            *(f"calls of {service}" for service in SERVICES),
            "calls ÷ bound",
            "Lambda invocations",
            "local AWS, MiB",
            "its workers, MiB",
            "together, MiB",
        ),
        [
            (
                f"{row.accounts:,}",
                f"{row.known:,}",
                f"{row.enabled:,} of {row.accounts * TARGETS:,}",
                number(row.deploying),
                number(row.seconds),
                number(row.until_enabled),
                *(f"{row.calls.get(service, 0):,}" for service in SERVICES),
                f"{sum(row.calls.values()) / row.bound:.2f}",
                f"{row.invocations:,}",
                number(row.peak.own),
                f"{number(row.peak.others)} in {row.peak.descendants}",
                number(row.peak.together),
            )
            for row in rows
        ],
        (
            f"{len(SERVICES)} services x {len(REGIONS)} Regions, the real stack and the real CDK, "
            "waits of `make local SCENARIO=backfill`. One deployment: the accounts "
            "of a row are added to those of the rows above, and nobody has enrolled them.",
            "The bound: each target's members listed once, one creation and one reading per 50 "
            "accounts and target.",
            "Memory is the largest resident set while the reconcile runs, sampled every half a "
            "second, of the local AWS (gateway and MiniStack are one process), of the processes "
            "that run the functions, and of both at one moment.",
            "The local Detective takes more members than the 1,200 that AWS allows.",
        ),
    )
