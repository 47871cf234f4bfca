"""The organisation of the scenario ``backfill``, before Rollcall enrols it."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from functions.enrolment.membership import Action
from infra.cli.local.backfill import (
    BY_HAND_REGIONS,
    CREATED,
    FORMER_MEMBER,
    IN_SECURITY_HUB,
    RESIGNED,
    SUSPENDED,
    Backfill,
)
from infra.cli.local.deployment import Deployment
from infra.cli.local.scenarios import (
    ADMINISTRATOR,
    HOME_REGION,
    REGIONS,
    SCENARIOS,
    SERVICES,
    found_organization,
)
from infra.cli.site import configured_site
from infra.local.process import local_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from functions.enrolment.coverage import Cell

ACCOUNTS = 300
# The administrator account and the suspended one.
LEFT_OUT = 2


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[Cell]]]:
    """What is printed before the reconcile, and the gaps."""
    folder = tmp_path_factory.mktemp("backfill")
    with local_aws(folder / "aws.log") as aws:
        scenario = SCENARIOS["backfill"]
        organization = found_organization(aws, scenario.regions)
        cdk_json = folder / "cdk.json"
        context = {"rollcall": scenario.configuration(organization)}
        cdk_json.write_text(json.dumps({"context": context}))
        site = configured_site(aws.session(ADMINISTRATOR, HOME_REGION), cdk_json)
        printed = io.StringIO()
        nowhere = Deployment("", "", "", "", Path())
        console = Console(file=printed, soft_wrap=True)
        backfill = Backfill(console, aws, nowhere, site, lambda _: None)
        backfill.prepare()
        # Members that are created by hand become Enabled.
        aws.control("POST", "clock", {"advance": 60})
        gaps = backfill.show("before")
        yield printed.getvalue(), gaps


def test_the_matrix_has_what_was_enrolled_by_hand(before: tuple[str, list[Cell]]) -> None:
    printed, gaps = before

    title, _, _, *lines = printed.strip().splitlines()
    assert title == f"Coverage before: {len(gaps)} gaps"
    assert len(lines) == len(REGIONS) * len(SERVICES)
    by_hand = dict.fromkeys(BY_HAND_REGIONS, len(IN_SECURITY_HUB))
    for line in lines:
        *label, region, enabled, left_out, missing = line.split()
        hub = label == ["Security", "Hub", "CSPM"]
        assert int(enabled) == (by_hand.get(region, 0) if hub else 0), line
        assert int(left_out) == LEFT_OUT, line
        assert int(missing) == ACCOUNTS - LEFT_OUT - int(enabled), line


def test_the_gaps_are_of_every_kind(before: tuple[str, list[Cell]]) -> None:
    _, gaps = before

    kinds = Counter((str(gap.target.service), gap.raw, gap.action) for gap in gaps)
    regions = len(BY_HAND_REGIONS)
    assert kinds["guardduty", "Created", Action.WAIT] == regions * len(CREATED)
    assert kinds["guardduty", "Resigned", Action.STOP] == regions
    assert {gap.account_id for gap in gaps if gap.action is Action.STOP} == {RESIGNED}
    of_former_member = [gap for gap in gaps if gap.account_id == FORMER_MEMBER]
    assert {gap.action for gap in of_former_member} == {Action.CREATE}
    assert not {ADMINISTRATOR, SUSPENDED} & {str(gap.account_id) for gap in gaps}
