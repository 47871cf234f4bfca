"""``rollcall show``: one run, or one reconcile, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Argument

from functions.aws import archive, executions, ledger, reconciles
from functions.aws.ledger import Findings
from functions.enrolment.errors import InvalidInput, RollcallError
from functions.enrolment.records import OnboardingRecord
from functions.steps.needs import actions_of
from infra.cli.begun import UNSUCCESSFUL
from infra.cli.failures import print_unread
from infra.cli.options import Accounts, AsJson, HomeRegion, Name, Profile, checked_id, unknown_id
from infra.cli.show_reconcile import read_reconcile, reconcile_shown, reconcile_shown_text
from infra.cli.show_run import ShownRun, run_document, run_text
from infra.cli.site import site_of
from infra.cli.terminal import Terminal, print_document
from infra.names import DEFAULT

if TYPE_CHECKING:
    from functions.aws.executions import Execution
    from infra.cli.site import Site

EXAMPLES = """\
rollcall show d23e9e6e-a7f2-4052-92f0-a1f7b5528839
rollcall show nightly-1 --account 444455556666 --json"""
ACTIONS = (
    *actions_of(ledger.ACTIONS, "findings", "onboardings", "read"),
    *actions_of(reconciles.ACTIONS, "reconcile"),
    *actions_of(executions.ACTIONS, "execution"),
    *actions_of(archive.ACTIONS, "read"),
)


def run(
    run_id: Annotated[
        str, Argument(metavar="ID", help="The id of a run or a reconcile, or its execution's ARN.")
    ],
    account: Accounts = None,
    as_json: AsJson = False,
    profile: Profile = None,
    home_region: HomeRegion = None,
    name: Name = DEFAULT,
) -> int:
    """Show all about one run or reconcile.

    Of a run: what started it, its accounts and targets, and each membership with its statuses,
    attempts, outcome and reason; what was published, and where the complete document is. While it
    runs: what it waits for, and until when. On a terminal, memberships with the same story are
    shown once. Of a reconcile: its verdict, the counts before and after, the runs that it started,
    what had changed, the gaps that are left and what is waited for.

    Exit status 0: it is shown; 1: it is, and ended incomplete, failed or was interrupted; 2:
    nothing is shown, because there is no such run, an argument is invalid, Rollcall is not deployed
    there, or AWS refused a call.
    """
    wanted = checked_id(run_id)
    site = site_of(profile, home_region, name)
    wiring, only = site.wiring, frozenset(account or ())
    console = Terminal(highlight=False, soft_wrap=True)
    width = console.width if console.is_terminal else None
    findings = wiring.ledger.findings(wanted)
    reconcile = wiring.reconciles.reconcile(wanted) if findings is None else None
    if reconcile is not None:
        execution = _execution(reconcile.execution_arn, site)
        shown = read_reconcile(reconcile, execution, only, wiring)
        document, texts = reconcile_shown(shown), reconcile_shown_text(shown, width)
        state = shown.begun.state
    else:
        one = _run(wanted, findings, only, site)
        document, texts, state = run_document(one), run_text(one, width), one.begun.state
    if as_json:
        print_document(document)
    else:
        for text in texts:
            console.print(text)
    return 1 if state in UNSUCCESSFUL else 0


def _run(wanted: str, findings: Findings | None, only: frozenset[str], site: Site) -> ShownRun:
    """A run with its execution.

    Raises:
        InvalidInput: there is no such run, or it does not have one of the accounts.
    """
    wiring = site.wiring
    if findings is None:
        machine = site.outputs["StateMachineArn"]
        execution = _execution(f"{machine.replace(':stateMachine:', ':execution:')}:{wanted}", site)
        if execution is None:
            raise unknown_id(wanted)
        findings = Findings(_unplanned(wanted, execution), None, ())
    else:
        execution = _execution(findings.onboarding.execution_arn, site)
    for account in sorted(only - set(findings.onboarding.accounts)):
        raise InvalidInput("--account", f"takes accounts of the run, not {account}")
    return ShownRun(
        findings,
        execution,
        site.configuration,
        wiring.settings.results_bucket,
        wiring.now(),
        only,
    )


def _execution(arn: str, site: Site) -> Execution | None:
    try:
        return site.wiring.executions.execution(arn) if arn else None
    except RollcallError as error:
        print_unread("show", error)
        return None


def _unplanned(wanted: str, execution: Execution) -> OnboardingRecord:
    """The record of a run whose execution has begun and has recorded nothing yet."""
    ended = execution.ended_at
    return OnboardingRecord(
        id=wanted,
        source="",
        automatic=False,
        dry_run=False,
        accounts=(),
        started_at=execution.started_at,
        lease_until=execution.started_at,
        execution_arn=execution.arn,
        outcome=None if ended is None else f"the execution {execution.status}, and has no record",
        closed_at=ended,
    )
