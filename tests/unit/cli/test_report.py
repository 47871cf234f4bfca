"""What a status report says of every account, in text, as CSV and as a document."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from functions.enrolment.errors import InvalidInput
from functions.enrolment.reason import ReasonCode
from infra.cli.report import Condition, name_of, selected
from infra.cli.report_documents import COLUMNS, report_document, write_csv
from infra.cli.report_text import print_report
from tests.support.builders import NOW, RUN
from tests.support.reports import NAMES, OTHER_RUN, ROOT, a_report, an_account
from tests.support.schemas import schema_of

if TYPE_CHECKING:
    from infra.cli.report import Report

SCHEMA = schema_of("cli/status")
PRODUCTION, TEST = NAMES


@pytest.fixture(scope="module")
def report() -> Report:
    """In the first Region the first account has drifted, the 21st is in progress, the 41st
    failed."""
    return a_report(60, regions=2, name="=1+1")


def printed(report: Report, *, terminal: bool, gaps: bool = True) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, color_system=None, width=80)
    print_report(console, report, gaps=gaps)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_gaps_are_told_apart_by_what_the_table_remembers(report: Report) -> None:
    first = [line for line in report.gaps if line.cell.target.region == "us-east-1"]
    told = {
        line.condition: (line.row and line.row.onboarding_id, line.reason and line.reason.code)
        for line in first
    }

    assert told == {
        Condition.DRIFT: (RUN, None),
        Condition.IN_PROGRESS: (OTHER_RUN, ReasonCode.LEFT_HALF_WAY),
        Condition.FAILED: (RUN, ReasonCode.OTHER_ADMINISTRATOR),
    }
    assert {line.condition for line in report.lines} - set(told) == {Condition.ENABLED}


def test_without_a_table_a_gap_is_what_the_services_say() -> None:
    bare = a_report(60, regions=1, remembers=False)

    assert {line.condition for line in bare.gaps} <= {Condition.GAP, Condition.FAILED}
    assert all(line.row is None for line in bare.lines)
    assert "Of the gaps" not in printed(bare, terminal=False)


def test_each_gap_is_one_line_in_a_file(report: Report) -> None:
    lines = printed(report, terminal=False).splitlines()

    told = [line for line in lines if line.startswith("3000")]
    assert len(told) == len(report.gaps)
    drift = next(line for line in told if line.startswith("300000000000"))
    assert f"was Enabled at 2026-12-26T08:00:20Z (run {RUN})" in drift
    assert any(
        "in progress: " in line and f"run {OTHER_RUN}, Created since" in line for line in told
    )
    assert any(f"failed at 2026-12-26T08:00:40Z (run {RUN})" in line for line in told)


def test_on_a_terminal_every_line_fits(report: Report) -> None:
    text = printed(report, terminal=True)

    assert max(map(len, text.splitlines())) <= 80
    assert "300000000000  Security Hub CSPM  us-east-1  Removed  drift\n              " in text
    assert "Of the gaps: " in text.splitlines()[-2]


def test_the_document_is_as_its_schema_says(report: Report) -> None:
    document = json.loads(json.dumps(report_document(report)))

    SCHEMA.validate(document)
    assert len(document["gaps"]) == len(report.gaps)
    drift = next(gap for gap in document["gaps"] if gap["condition"] == "drift")
    assert drift["was_enabled_at"] == drift["remembered"]["since"]
    assert "@" not in json.dumps(document)


def test_csv_has_every_account_at_every_target(report: Report) -> None:
    stream = io.StringIO()
    write_csv(report, stream)

    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 60 * 6
    assert rows[0]["name"] == "'=1+1"
    assert rows[0]["ou"] == f"{ROOT}{PRODUCTION}/"
    assert (rows[0]["state"], rows[0]["outcome"], rows[0]["run"]) == ("drift", "enabled", RUN)
    assert rows[1]["since"] == "2026-12-26T08:00:20Z"


@pytest.mark.parametrize(
    ("unit", "count"),
    [
        (PRODUCTION, 5),
        (f"{ROOT}{TEST}/", 5),
        (f"{ROOT}{TEST}", 5),
        ("r-ab12", 10),
        ("o-aa111bb222/", 10),
    ],
)
def test_accounts_are_selected_by_their_unit(unit: str, count: int) -> None:
    directory = {each.id: each for each in map(an_account, range(10))}

    assert len(selected(directory, (), (unit,))) == count


@pytest.mark.parametrize("unit", ["", "/", "ou-ab12", "300000000001", "o-aa111bb222/ou-ab12"])
def test_a_unit_without_accounts_is_refused(unit: str) -> None:
    directory = {each.id: each for each in map(an_account, range(10))}

    with pytest.raises(InvalidInput, match="--ou: takes the id of an organisational unit"):
        selected(directory, (), (unit,))


def test_names_have_no_addresses_and_are_one_line() -> None:
    account = replace(an_account(1), name="Ops\n root@example.com " + "x" * 99)

    assert name_of(account).startswith("Ops (e-mail) xxx")
    assert len(name_of(account)) == 64


def test_the_time_of_the_report_is_that_of_the_survey(report: Report) -> None:
    assert report.at == NOW
