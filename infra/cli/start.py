"""``rollcall start``: starts runs for selected accounts, or a reconcile for all that have gaps."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from botocore.exceptions import BotoCoreError
from typer import Option

from functions.aws import executions
from functions.enrolment.errors import Conflict, RollcallError
from functions.enrolment.rate import begin_after
from functions.enrolment.times import iso
from infra.cli import outlook as outlooks
from infra.cli import watching
from infra.cli.failures import explained
from infra.cli.options import AsJson, HomeRegion, Name, Profile, Regions, Services, Wanted
from infra.cli.outlook import read_outlook, reconcile_input, running_reconcile
from infra.cli.plan import width_of_output
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
from infra.cli.survey import number
from infra.cli.watch import watch, watch_command
from infra.cli.watching import Kind, Watching, execution_arn
from infra.names import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from infra.cli.planning import Outlook
    from infra.cli.site import Site

ACTIONS: tuple[str, ...] = tuple(
    sorted({*outlooks.ACTIONS, *watching.ACTIONS, *executions.ACTIONS["start"]})
)
EXAMPLES = """\
rollcall start 444455556666 --watch
rollcall start --file accounts.csv --service guardduty --yes
rollcall start --gaps"""


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution to start: its name, its state machine and its input, for so many accounts."""

    name: str
    kind: Kind
    machine_arn: str
    document: dict[str, Any]
    accounts: int


def run(
    accounts: NamedAccounts = None,
    file: AccountsFile = None,
    ou: Unit = None,
    gaps: Gaps = False,
    retry_failed: RetryFailed = False,
    service: Services = None,
    region: Regions = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Start runs that read and decide, and change nothing.")
    ] = False,
    watched: Annotated[bool, Option("--watch", help="Watch what was started to its end.")] = False,
    yes: Annotated[
        bool, Option("--yes", help="Do not ask before several accounts change, as in a script.")
    ] = False,
    as_json: AsJson = False,
    profile: Profile = None,
    home_region: HomeRegion = None,
    name: Name = DEFAULT,
) -> int:
    """Start runs for accounts.

    Makes the plan that rollcall plan shows, asks before it changes more than one account, and
    starts a run for every 50 accounts with your credentials. Accounts for which a run would do
    nothing are left out. Prints the id of each run. The same command within the same minute starts
    nothing twice: the name of an execution is made of the minute and the input.

    With --gaps it starts one reconcile, which surveys the organisation again, hands what it reads
    to its runs, and spaces them so that the services do not throttle. It may create or invite as
    many accounts as were shown; if it finds more, it starts nothing and reports that. With
    --dry-run it only reports.

    With --json it prints one line, with --watch a second one when all has ended: the document of
    rollcall watch.

    Exit status 0: started, or there was nothing to do; with --watch: that of rollcall watch; 1:
    some runs were started and the others could not be; 2: nothing was started, because you did not
    agree, runs are at work on the accounts, with --gaps another reconcile is running, an argument
    is invalid, Rollcall is not deployed there, AWS refused a call, or a target could not be read
    and there is nothing to do at the others.
    """
    selection = read_selection(accounts, file, ou, gaps=gaps, retry_failed=retry_failed)
    site = site_of(profile, home_region, name)
    wanted = Wanted(tuple(service or ()), tuple(region or ()))

    def to_watch(ids: Sequence[str]) -> str:
        return watch_command(ids, profile, home_region, name)

    if gaps:
        _refuse_beside_another(site, to_watch)
    with doing("Reading accounts and targets"):
        outlook = read_outlook(
            site, selection, wanted, site.wiring.now(), retry_failed=retry_failed
        )
    if not as_json:
        for line in outlooks.shown(outlook, site.configuration, width_of_output(), accounts=False):
            print(line)
    if not _is_allowed(outlook, to_watch, dry_run=dry_run, yes=yes):
        if as_json:
            print(json.dumps(document([], outlook, dry_run=dry_run)))
        return 2 if outlook.runs or outlook.unread or outlook.at_work else 0
    planned = executions_of(
        outlook,
        wanted,
        site.outputs,
        site.wiring.now(),
        dry_run=dry_run,
        retry_failed=retry_failed,
    )
    started = _start_all(site, planned, shows=not as_json)
    all_started = len(started) == len(planned)
    again = to_watch([one.name for one in started])
    if as_json:
        print(json.dumps(document(started, outlook, dry_run=dry_run)), flush=True)
    if watched and all_started:
        runs = Watching(site, [one.name for one in started], started=True)
        return watch(runs, again, as_json=as_json)
    if not as_json:
        print(f"To watch: {again}")
    return 0 if all_started else 1


def _start_all(site: Site, planned: Sequence[Execution], *, shows: bool) -> list[Execution]:
    """What was started; after a failure that is not of the first, it is reported and all ends."""
    started: list[Execution] = []
    try:
        for one in start(site, planned, time.sleep):
            started.append(one)
            if shows:
                print(one.name, flush=True)
    except (RollcallError, BotoCoreError) as error:
        if not started:
            raise
        rest = number(len(planned) - len(started), "run")
        print(f"rollcall start: {rest} not started: {explained(error)}", file=sys.stderr)
    return started


def _refuse_beside_another(site: Site, to_watch: Callable[[Sequence[str]], str]) -> None:
    """Refuse to start a reconcile that would start nothing.

    Raises:
        Conflict: another one is running.
    """
    other = running_reconcile(site, site.wiring.now())
    if other is not None:
        raise Conflict(
            f"nothing was started: reconcile {other} is running, and only one runs at a time; to"
            f" watch it: {to_watch([other])}"
        )


def _is_allowed(
    outlook: Outlook, to_watch: Callable[[Sequence[str]], str], *, dry_run: bool, yes: bool
) -> bool:
    """Whether to go on; asks on a terminal if several accounts would be changed.

    ``to_watch`` makes the command that watches runs.
    """
    if not outlook.runs:
        print("Nothing was started.", file=sys.stderr)
        if outlook.at_work:
            print(f"Runs are working on it; to watch: {to_watch(outlook.at_work)}", file=sys.stderr)
        return False
    if dry_run or yes or outlook.in_runs <= 1:
        return True
    what = f"{number(len(outlook.runs), 'run')} for {number(outlook.in_runs, 'account')}"
    if outlook.is_of_gaps:
        what = f"a reconcile with {what}"
    if not sys.stdin.isatty():
        print(
            f"rollcall start: give --yes to start {what}: there is no terminal to ask on",
            file=sys.stderr,
        )
        return False
    print(f"\nStart {what}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    print("Nothing was started.", file=sys.stderr)
    return False


def executions_of(
    outlook: Outlook,
    wanted: Wanted,
    outputs: Mapping[str, str],
    now: float,
    *,
    dry_run: bool,
    retry_failed: bool = False,
) -> list[Execution]:
    """The executions that make the outlook come true; ``outputs`` are those of the stack."""
    targets = reconcile_input(wanted)
    if outlook.is_of_gaps:
        document = targets | {"most_changes": outlook.changes}
        document |= {"retry_failed": True} if retry_failed else {}
        document |= {"report_only": True} if dry_run else {}
        machine, kind = outputs["ReconcileMachineArn"], Kind.RECONCILE
        return [Execution(name_of(document, now), kind, machine, document, outlook.in_runs)]
    documents = [
        {
            "accounts": [
                {"id": account.id}
                | ({"email": account.email} if account.email else {})
                | ({"mode": str(account.mode)} if account.mode else {})
                for account in run.accounts
            ],
            **targets,
            **({"dry_run": True} if dry_run else {}),
        }
        for run in outlook.runs
    ]
    return [
        Execution(
            name_of(document, now),
            Kind.RUN,
            outputs["StateMachineArn"],
            document,
            len(run.accounts),
        )
        for run, document in zip(outlook.runs, documents, strict=True)
    ]


def name_of(document: dict[str, Any], now: float) -> str:
    """An execution's name: the same within a minute (UTC) for the same input.

    StartExecution starts an execution of the same name and input once.
    """
    minute = iso(now, "minutes").replace("-", "").replace(":", "")
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return f"manual-{minute}-{digest[:12]}"


def start(
    site: Site, planned: Sequence[Execution], sleep: Callable[[float], None]
) -> Iterator[Execution]:
    """Start executions with as much time between them as a reconcile leaves between its runs.

    Raises:
        Throttled, ServiceUnavailable, AccessDenied, ServiceRefused: of Step Functions.
    """
    machines = site.wiring.executions
    rates = [site.wiring.rates[service.name] for service in site.configuration.services]
    for position, one in enumerate(planned):
        if position:
            sleep(begin_after(position, rates) - begin_after(position - 1, rates))
        machines.start(one.machine_arn, one.name, one.document)
        yield one


def document(started: Sequence[Execution], outlook: Outlook, *, dry_run: bool) -> dict[str, Any]:
    """What was started, for programs (docs/cli/start.schema.json)."""
    return {
        "version": "1",
        "as_of": iso(outlook.at),
        "dry_run": dry_run,
        "accounts": outlook.accounts,
        "accounts_in_runs": outlook.in_runs,
        "accounts_to_create_or_invite": outlook.changes,
        "started": [
            {
                "id": one.name,
                "kind": str(one.kind),
                "execution_arn": execution_arn(one.machine_arn, one.name),
                "accounts": one.accounts,
            }
            for one in started
        ],
    }
