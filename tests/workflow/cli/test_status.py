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
from tests.support.builders import ACCOUNT, ADMINISTRATOR, MANAGEMENT, OTHER
from tests.support.schemas import schema_of
from tests.workflow.hands import HERE, call, disassociate, email, reconcile, say

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
    assert "Of the gaps: 1 drift" in output


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


def test_of_gaps_csv_has_those_lines_only(
    enrolled: Rollcall, capsys: pytest.CaptureFixture[str]
) -> None:
    _, output = run(enrolled, capsys, "--csv", "--gaps")

    _, line = output.splitlines()
    assert line.split(",")[3:6] == ["securityhub", HERE, "drift"]


def test_the_title_counts_the_accounts_that_are_selected(
    enrolled: Rollcall, capsys: pytest.CaptureFixture[str]
) -> None:
    _, one = run(enrolled, capsys, "--account", ACCOUNT, *ONLY)
    _, all_of_them = run(enrolled, capsys, *ONLY)

    assert one.startswith("1 of 3 accounts, as of ")
    assert all_of_them.startswith("3 accounts, as of ")


def test_a_call_that_was_denied_is_the_operators_to_be_allowed(
    enrolled: Rollcall, capsys: pytest.CaptureFixture[str]
) -> None:
    enrolled.fail(kind="access_denied", service="guardduty")

    ended, output = run(enrolled, capsys, "--service", "guardduty")

    *_, summary, to_do = output.splitlines()
    assert (ended, summary) == (1, "0 gaps, 2 targets not read")
    assert to_do == (
        "To do for GuardDuty eu-west-1, us-east-1: allow guardduty:ListDetectors"
        " (README.md, The operator's permissions), and read again"
    )


def test_where_another_account_administers_the_organisation_nothing_is_a_gap(
    enrolled: Rollcall, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the accounts are there is known to that account only."""
    request = {"AdminAccountId": ADMINISTRATOR}
    disable = "DisableOrganizationAdminAccount"
    call(enrolled, MANAGEMENT, "securityhub", disable, "us-east-1", **request)
    enrolled.pass_seconds(60)
    place = {"account_id": ADMINISTRATOR, "regions": ["us-east-1"]}
    enrolled.world.apply({"do": "enable", "service": "securityhub", **place})

    told = document(enrolled, capsys, *ONLY)
    _, output = run(enrolled, capsys, *ONLY)

    here, there = told["targets"]
    assert (here["problem"], there["problem_code"]) == (None, "not-delegated")
    assert there["states"] == {"left out": 1, "unread": 2}
    assert {gap["region"] for gap in told["gaps"]} == {HERE}
    assert "us-east-1 - - - not read: the administrator account" in " ".join(output.split())
    assert output.splitlines()[-1] == (
        "To do for Security Hub CSPM us-east-1: call securityhub EnableOrganizationAdminAccount in"
        " us-east-1 from the management account, and read again"
    )


def test_the_page_has_the_totals_of_the_reconciles(
    enrolled: Rollcall, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert reconcile(enrolled, {"report_only": True}, "second")["complete"]
    page = tmp_path / "status.html"

    with enrolled.used.of("status"):
        ended = main(["status", "--html", str(page)])

    _, _, rest = page.read_text().partition('<script type="application/json" id="data">')
    data = json.loads(rest.partition("</script>")[0])
    assert ended == 1
    size = round(page.stat().st_size / 1000)
    assert capsys.readouterr().err == f"Wrote {page} ({size} kB)\n"
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
