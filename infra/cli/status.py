"""``rollcall status``: where every account of the organisation stands."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from typer import Option

from functions.aws import archive, directory, ledger, reconciles
from functions.enrolment.errors import InvalidInput
from infra.cli.history import History, read_history
from infra.cli.options import (
    Accounts,
    AsJson,
    ConfigFile,
    HomeRegion,
    Name,
    PageFile,
    Profile,
    Regions,
    Services,
    Units,
    Wanted,
)
from infra.cli.page.page import page_of
from infra.cli.progress import doing
from infra.cli.report import make_report, read_memory, selected, unit_names
from infra.cli.report_documents import report_document, write_csv
from infra.cli.report_text import print_report
from infra.cli.site import site_of
from infra.cli.survey import ORGANIZATION_ACTIONS, number, offered_targets, survey
from infra.cli.terminal import Terminal, print_document
from infra.names import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from functions.enrolment.target import Target
    from infra.cli.report import Report
    from infra.cli.site import Site

EXAMPLES = """\
rollcall status --gaps
rollcall status --service guardduty --region eu-west-1 --json
rollcall status --ou ou-ab12-cdefgh34 --csv > memberships.csv
rollcall status --html status.html"""

ACTIONS: tuple[str, ...] = (
    *ORGANIZATION_ACTIONS,
    *reconciles.ACTIONS["memberships"],
    *reconciles.ACTIONS["recent"],
    *ledger.ACTIONS["holders"],
    *archive.ACTIONS["read"],
    *directory.ACTIONS["unit_name"],
)


def run(
    account: Accounts = None,
    service: Services = None,
    region: Regions = None,
    ou: Units = None,
    gaps: Annotated[
        bool,
        Option(
            "--gaps",
            help="List every gap with what a run would do, or why it would not; and count what is"
            " left out by reason.",
        ),
    ] = False,
    as_json: AsJson = False,
    as_csv: Annotated[
        bool,
        Option(
            "--csv", help="Print a line for every account at every target; with --gaps, every gap."
        ),
    ] = False,
    html: PageFile = None,
    profile: Profile = None,
    home_region: HomeRegion = None,
    name: Name = DEFAULT,
    config: ConfigFile = None,
) -> int:
    """Show which accounts are enabled where, as the services say now.

    Reads the organisation's accounts, the members that every configured service lists in every
    configured Region, and what the table remembers of earlier runs, with credentials of the
    administrator account. Nothing is changed. With --config there is no table, and only the
    services are read. A gap is a membership that is to be enabled and is not; what is out of scope,
    suspended, left out by a policy or skipped by a run for a reason that still holds is not one. A
    target at which another account administers the organisation is not read: only that account
    knows its members. The page of --html needs no network; it also has the totals of the
    reconciles of the last 90 days.

    Exit status 0: no gaps; 1: gaps, or targets that could not be read; 2: nothing was read, because
    an argument is invalid, Rollcall is not deployed there, or AWS refused a call.
    """
    if as_json and as_csv:
        raise InvalidInput("--csv", "takes no --json beside it")
    site = site_of(profile, home_region, name, config)
    wanted = Wanted(tuple(service or ()), tuple(region or ()))
    targets = wanted.among(offered_targets(site.configuration))
    with doing(f"Reading {number(len(targets), 'target')}"):
        report = _read(site, targets, tuple(account or ()), tuple(ou or ()))
        page = _page(site, targets, report) if html else ""
    if html:
        _write(html, page)
    if as_json:
        print_document(report_document(report))
    elif as_csv:
        write_csv(report, sys.stdout, gaps=gaps)
    else:
        print_report(Terminal(), report, gaps=gaps)
    unread = any(listing.problem for listing in report.survey.listings)
    return 1 if report.gaps or unread else 0


def _read(
    site: Site, targets: Sequence[Target], accounts: tuple[str, ...], units: tuple[str, ...]
) -> Report:
    wiring = site.wiring
    now = wiring.now()
    read = survey(wiring, targets, now)
    chosen = selected(read.facts.directory, accounts, units)
    memory = read_memory(wiring.reconciles, wiring.ledger) if site.is_deployed else None
    return make_report(read, site.configuration, memory, chosen, now)


def _page(site: Site, targets: Sequence[Target], report: Report) -> str:
    wiring = site.wiring
    totals = History({})
    if site.is_deployed:
        totals = read_history(wiring.reconciles, wiring.archive, targets, report.at)
    units = unit_names(report.accounts, wiring.paced.directory)
    names = {unit: name for unit, name in units.items() if name is not None}
    if unnamed := len(units) - len(names):
        note = (
            f"the names of {number(unnamed, 'organisational unit')} are not known"
            " (organizations:DescribeOrganizationalUnit was refused)"
        )
        report = replace(report, survey=replace(report.survey, notes=(*report.survey.notes, note)))
    return page_of(report, totals, names, site.names.stack)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput("--html", f"takes a file that can be written: {error}") from None
    size = max(1, round(len(text.encode()) / 1000))
    print(f"Wrote {path} ({size:,} kB)", file=sys.stderr)
