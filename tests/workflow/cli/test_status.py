"""``rollcall status`` after reconciles: the services now, beside what the table remembers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from functions.steps import wiring
from infra.cli import status
from infra.cli.__main__ import main
from infra.cli.site import Site
from infra.names import Names
from tests.support.builders import ACCOUNT, MANAGEMENT, OTHER
from tests.support.schemas import schema_of
from tests.workflow.hands import HERE, disassociate, email, reconcile, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.rollcall import Rollcall

SCHEMA = schema_of("cli/status")
ONLY = ("--service", "securityhub")


@pytest.fixture
def enrolled(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Rollcall:
    """One account was enrolled everywhere, and removed in one Region an hour later."""
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, email=email(ACCOUNT), name="Payments")
    for service in ("securityhub", "guardduty", "detective"):
        place = {"account_id": MANAGEMENT, "regions": list(rollcall.configuration.regions)}
        rollcall.world.apply({"do": "enable", "service": service, **place})
    assert reconcile(rollcall, {}, "first")["complete"]
    rollcall.pass_seconds(3600)
    disassociate(rollcall, "securityhub", ACCOUNT)
    site = Site(Names(), wiring.wiring(), {"TableName": "RollcallTable"})
    monkeypatch.setattr(status, "site_of", lambda *_: site)
    capsys.readouterr()  # the steps' metrics
    return rollcall


def run(rollcall: Rollcall, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with rollcall.used.of("status"):
        ended = main(["status", *arguments])
    return ended, capsys.readouterr().out


def document(
    rollcall: Rollcall, capsys: pytest.CaptureFixture[str], *arguments: str
) -> dict[str, Any]:
    _, output = run(rollcall, capsys, "--json", *arguments)
    told: dict[str, Any] = json.loads(output)
    SCHEMA.validate(told)
    return told


def test_drift_is_told_with_the_run_that_had_enabled_it(
    enrolled: Rollcall, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, output = run(enrolled, capsys, "--gaps", *ONLY)

    (gap,) = [line for line in output.splitlines() if line.startswith(ACCOUNT)]
    assert ended == 1
    assert gap.startswith(f"{ACCOUNT}  Security Hub CSPM  {HERE}  Removed  was Enabled at ")
    assert gap.endswith("Z (run first-0); a run would create")
    assert "Of the gaps: 1 enabled before" in output


def test_what_a_run_has_skipped_is_counted_as_left_out_with_its_reason(
    enrolled: Rollcall, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both at GuardDuty and at Detective, which needs it."""
    enrolled.add_account(OTHER, email=email(OTHER))
    text = "your organization administrator must first enable GuardDuty"
    say(enrolled, "guardduty", "CreateMembers", text, OTHER)
    chosen = ("--account", OTHER, "--gaps")
    before, _ = run(enrolled, capsys, *chosen)
    reconcile(enrolled, {}, "second")
    capsys.readouterr()

    after, output = run(enrolled, capsys, *chosen)
    told = document(enrolled, capsys, *chosen)

    assert (before, after) == (1, 0)
    assert "\n0 gaps, 0 targets not read\n" in output
    assert "Left out: 2 management-account-not-enabled, 2 prerequisite-skipped" in output
    assert told["gaps"] == []
    states = {each["service"]: each["states"] for each in told["targets"]}
    assert states["detective"] == states["guardduty"] == {"left out": 1}


def test_the_document_has_what_the_table_remembers(
    enrolled: Rollcall, capsys: pytest.CaptureFixture[str]
) -> None:
    told = document(enrolled, capsys, *ONLY)

    (gap,) = told["gaps"]
    assert told["deployed"]
    assert (gap["condition"], gap["remembered"]["run"]) == ("drift", "first-0")
    assert gap["remembered"]["outcome"] == "enabled"
    assert gap["was_enabled_at"] == gap["remembered"]["since"]


def test_nothing_is_changed(enrolled: Rollcall, capsys: pytest.CaptureFixture[str]) -> None:
    enrolled.calls.clear()
    run(enrolled, capsys, "--gaps")

    called = {str(call.operation) for call in enrolled.calls.read()}
    assert {name for name in called if not name.startswith(("List", "Describe"))} == set()


def test_csv_has_a_line_for_each_account_and_target(
    enrolled: Rollcall, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, output = run(enrolled, capsys, "--csv", "--account", ACCOUNT, *ONLY)

    _, *lines = output.splitlines()
    assert ended == 1
    assert [line.split(",")[:2] for line in lines] == [[ACCOUNT, "Payments"]] * 2
    assert {line.split(",")[5] for line in lines} == {"drift", "enabled"}


def test_the_page_has_the_totals_of_the_reconciles(
    enrolled: Rollcall, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert reconcile(enrolled, {"report_only": True}, "second")["complete"]
    page = tmp_path / "status.html"

    ended, _ = run(enrolled, capsys, "--html", str(page))

    _, _, rest = page.read_text().partition('<script type="application/json" id="data">')
    data = json.loads(rest.partition("</script>")[0])
    assert ended == 1
    assert "Payments" in [account[1] for account in data["accounts"]]
    # Both were in one day: the later one counts.
    ((_, enabled, gaps),) = data["history"]["securityhub"]
    assert (enabled, gaps) == (3, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ou", "ou-none"), "--ou: takes the id of an organisational unit with accounts"),
        (("--json", "--csv"), "--csv: takes no --json beside it"),
        (("--html", "/nowhere/x.html"), "takes a file in a folder that exists"),
    ],
    ids=["unit", "two formats", "folder"],
)
def test_what_is_not_valid_is_refused_in_one_line(
    enrolled: Rollcall,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert main(["status", *arguments]) == 2

    printed = capsys.readouterr()
    assert (printed.out, len(printed.err.splitlines())) == ("", 1)
    assert message in printed.err
