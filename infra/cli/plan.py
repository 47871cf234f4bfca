"""``rollcall plan``: what runs would do about accounts, without starting any."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Annotated

from typer import Option

from infra.cli import outlook as outlooks
from infra.cli.options import (
    AsJson,
    ConfigFile,
    HomeRegion,
    Name,
    Profile,
    Regions,
    Services,
    Wanted,
)
from infra.cli.outlook import read_outlook
from infra.cli.progress import doing
from infra.cli.selection import (
    AccountsFile,
    Gaps,
    NamedAccounts,
    RetryFailed,
    Unit,
    read_selection,
)
from infra.cli.site import site_of
from infra.names import DEFAULT

ACTIONS = outlooks.ACTIONS
EXAMPLES = """\
rollcall plan 444455556666 --service guardduty
rollcall plan --file accounts.csv --accounts
rollcall plan --gaps --json"""


def run(
    accounts: NamedAccounts = None,
    file: AccountsFile = None,
    ou: Unit = None,
    gaps: Gaps = False,
    retry_failed: RetryFailed = False,
    service: Services = None,
    region: Regions = None,
    each: Annotated[
        bool,
        Option(
            "--accounts", help="List every membership, however many. Those Enabled are counted."
        ),
    ] = False,
    as_json: AsJson = False,
    profile: Profile = None,
    home_region: HomeRegion = None,
    name: Name = DEFAULT,
    config: ConfigFile = None,
) -> int:
    """Show what runs would do about accounts.

    Reads what Organizations, the services and the table say of the accounts, and decides by the
    rules of the runs. Nothing is changed and nothing is started. Accounts outside the organisation
    are planned as a run started by hand plans them: by invitation. With --gaps it is what a
    reconcile would do: gaps that another run is working on, or that a run has failed to close, are
    left alone, the latter unless --retry-failed is given. Where the last run failed and nothing has
    changed since, it says why.

    Exit status 0: there is nothing to do; 2: runs would change something; 1: an argument is
    invalid, Rollcall is not deployed there, AWS refused a call, or a target could not be read.
    """
    selection = read_selection(accounts, file, ou, gaps=gaps, retry_failed=retry_failed)
    site = site_of(profile, home_region, name, config)
    wanted = Wanted(tuple(service or ()), tuple(region or ()))
    with doing("Reading accounts and targets"):
        outlook = read_outlook(
            site, selection, wanted, site.wiring.now(), retry_failed=retry_failed
        )
    if as_json:
        print(json.dumps(outlooks.document(outlook, site.configuration)))
    else:
        for line in outlooks.shown(outlook, site.configuration, width_of_output(), accounts=each):
            print(line)
    if outlook.unread:
        return 1
    return 2 if outlook.runs else 0


def width_of_output() -> int:
    """The columns of the terminal; no limit where standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
