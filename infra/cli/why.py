"""``rollcall why``: why an account is not enabled where it is to be, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from rich.text import Text
from typer import Argument

from functions.aws import ledger
from functions.enrolment.account import Account, AccountId, Mode
from functions.enrolment.coverage import State, cells
from functions.enrolment.errors import InvalidInput
from functions.enrolment.membership import Status
from functions.enrolment.ownership import Claim, Standing, standing
from functions.enrolment.reconcile_plan import place
from functions.enrolment.times import iso
from functions.services.survey import Chosen
from functions.steps.needs import actions_of
from infra.cli.finding import Finding, command, commands, finding_document, sentences
from infra.cli.options import (
    AsJson,
    HomeRegion,
    Name,
    Profile,
    Regions,
    Services,
    Wanted,
    checked_account,
)
from infra.cli.progress import doing
from infra.cli.site import site_of
from infra.cli.story import ago, of_all, paragraph, places, printable, without_place_and_time
from infra.cli.survey import CHOSEN_ACTIONS, number, offered_targets, survey
from infra.cli.terminal import Terminal, print_document
from infra.names import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from functions.enrolment.coverage import Cell, Survey
    from functions.steps.wiring import Wiring

EXAMPLES = """\
rollcall why 444455556666
rollcall why 444455556666 --service guardduty --region eu-west-1 --json"""
ACTIONS = (
    *CHOSEN_ACTIONS,
    *actions_of(ledger.ACTIONS, "read", "onboardings"),
)
_COLOURS = {
    State.ENABLED: "green",
    State.GAP: "red",
    State.UNREAD: "red",
    State.LEFT_OUT: "yellow",
}
_TITLES = {
    State.GAP: "Not enabled",
    State.UNREAD: "Not read",
    State.LEFT_OUT: "Not to be enabled",
}


def run(
    account: Annotated[
        str, Argument(metavar="ACCOUNT", callback=checked_account, help="The account's id.")
    ],
    service: Services = None,
    region: Regions = None,
    as_json: AsJson = False,
    profile: Profile = None,
    home_region: HomeRegion = None,
    name: Name = DEFAULT,
) -> int:
    """Say why an account is not enabled, and what to do.

    Asks Organizations and every configured service in every configured Region about this one
    account, and reads what runs have recorded. Where the account is not enabled it says: what the
    service reports now, whether the account is to be enabled there, what runs have tried and what
    was answered, which run is working on it, and what to do, with the command. Nothing is changed.

    Exit status 0: the account is enabled wherever it is to be; 1: it is not, or a service could not
    be read; 2: nothing was read, because neither the organisation nor a run knows the account, an
    argument is invalid, Rollcall is not deployed there, or AWS refused a call.
    """
    site = site_of(profile, home_region, name)
    wiring, account_id = site.wiring, AccountId(account)
    wanted = Wanted(tuple(service or ()), tuple(region or ()))
    targets = wanted.among(offered_targets(site.configuration))
    with doing(f"Reading {number(len(targets), 'target')}"):
        now = wiring.now()
        known = wiring.directory.find(account_id)
        chosen = Chosen({}, (account_id,)) if known is None else Chosen({account_id: known})
        read = survey(wiring, targets, now, chosen)
        findings = _findings(account_id, read, now, wiring)
    if as_json:
        print_document(_document(account_id, read, findings, now))
    else:
        all_of_them = len(targets) == len(offered_targets(site.configuration))
        _print(account_id, read, findings, now, all_targets=all_of_them)
    fine = all(each.cell.state in (State.ENABLED, State.LEFT_OUT) for each in findings)
    return 0 if fine else 1


def _findings(account_id: AccountId, read: Survey, now: float, wiring: Wiring) -> list[Finding]:
    """What is known of the account at every target where it is to be, or was, enrolled.

    Raises:
        InvalidInput: neither the organisation, nor a service, nor a run knows the account.
    """
    inside = account_id in read.facts.directory
    rows = wiring.ledger.read((account_id, each.target) for each in read.listings)
    holders = wiring.ledger.onboardings({row.onboarding_id for row in rows.values()})
    configuration = wiring.configuration
    outside = None if inside else [Account(account_id, None, Mode.INVITATION)]
    found = [
        cell
        for cell in cells(read.facts, read.listings, configuration, now, outside, rows)
        if inside or (account_id, cell.target) in rows or cell.raw != Status.ABSENT
    ]
    if not inside and all(c.state is State.UNREAD and not rows for c in found):
        raise InvalidInput(
            "ACCOUNT",
            f"takes an account of the organisation, or one that a run has enrolled; {account_id}"
            " is neither",
        )
    known = read.facts.directory.get(account_id)
    mode = Mode.ORGANIZATION if inside else Mode.INVITATION
    joined_at = known.joined_at if known else None
    claim = Claim("", now, mode, joined_at=joined_at)

    def finding(cell: Cell) -> Finding:
        row = rows.get((account_id, cell.target))
        holder = holders.get(row.onboarding_id) if row else None
        if holder is not None and row is not None:
            holder = holder if row.belongs_to(holder.id, holder.started_at) else None
        at_work = standing(row, holder, claim, now) is Standing.IN_PROGRESS
        return Finding(cell, mode, joined_at, row, holder, at_work, now, configuration)

    return [finding(cell) for cell in found]


def _print(
    account_id: AccountId,
    read: Survey,
    findings: Sequence[Finding],
    now: float,
    *,
    all_targets: bool,
) -> None:
    console = Terminal(highlight=False, soft_wrap=True)
    width = console.width if console.is_terminal else None
    for line in _about(account_id, read, now):
        console.print(Text(paragraph(line, width, "")))
    enabled = [each.cell.target for each in findings if each.cell.state is State.ENABLED]
    if enabled:
        everywhere = len(enabled) == len(findings) and all_targets
        where = "everywhere it is to be" if everywhere else places(enabled)
        text = Text(paragraph(f"Enabled: {where}", width, ""))
        text.stylize(_COLOURS[State.ENABLED], 0, len("Enabled"))
        console.print(text)
    others = [each for each in findings if each.cell.state is not State.ENABLED]
    for group in _same(others):
        console.print(_group(group, width))
    for note in read.notes:
        console.print(Text(paragraph(f"Note: {note}.", width, "")))


def _about(account_id: AccountId, read: Survey, now: float) -> Iterator[str]:
    """What Organizations and Account Management say of the account."""
    known = read.facts.directory.get(account_id)
    if known is None:
        yield f"{account_id} is not an account of the organisation: it can only be invited."
        return
    joined = f", joined {ago(known.joined_at, now)}" if known.joined_at is not None else ""
    where = f", in {known.path}" if known.path else ""
    yield f"{account_id} is an account of the organisation: {known.state}{joined}{where}"
    regions = read.facts.regions.get(account_id)
    if regions is not None:
        yield f"Its enabled Regions: {', '.join(sorted(regions)) or 'none'}"
    tags = printable(dict(read.facts.tags.get(account_id, {})))
    if tags:
        yield f"Its tags: {', '.join(f'{key}={value}' for key, value in sorted(tags.items()))}"


def _same(findings: Iterable[Finding]) -> list[list[Finding]]:
    """The findings by what is said of them."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for each in findings:
        target = each.cell.target
        story = tuple(without_place_and_time(text, target) for text in sentences(each).values())
        groups.setdefault((each.cell.state, story, command(each) is None), []).append(each)
    return sorted(groups.values(), key=lambda group: list(_TITLES).index(group[0].cell.state))


def _group(group: Sequence[Finding], width: int | None) -> Text:
    first = group[0]
    title = _TITLES[first.cell.state]
    targets = [each.cell.target for each in group]
    text = Text("\n")
    text.append(paragraph(f"{title}: {places(targets)}", width, ""))
    text.stylize(_COLOURS[first.cell.state], 1, 1 + len(title))
    for label, said in sentences(first).items():
        text.append("\n" + paragraph(f"{label}: {of_all(said, targets)}", width))
    if command(first) is not None:
        for line in commands(first, targets):
            text.append(f"\n    {line}", "bold")
    return text


def _document(
    account_id: AccountId, read: Survey, findings: Sequence[Finding], now: float
) -> dict[str, Any]:
    known = read.facts.directory.get(account_id)
    regions = read.facts.regions.get(account_id)
    return {
        "version": "1",
        "as_of": iso(now),
        "account_id": account_id,
        "organization": None
        if known is None
        else {
            "state": known.state,
            "path": known.path,
            "joined_at": None if known.joined_at is None else iso(known.joined_at),
            "regions": None if regions is None else sorted(regions),
            "tags": printable(dict(read.facts.tags.get(account_id, {}))),
        },
        "targets": [place(each.cell.target) | finding_document(each) for each in findings],
        "notes": list(read.notes),
    }
