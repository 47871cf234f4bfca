"""Reads what runs would do about a selection, and shows it to people and programs."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.aws import executions, ledger, reconciles
from functions.enrolment.account import Mode
from functions.enrolment.automation import Automatic
from functions.enrolment.membership import Action
from functions.enrolment.reconcile_plan import place
from functions.enrolment.times import duration, iso
from functions.intake.reconcile_input import read_reconcile_input
from infra.cli.planning import (
    Prospect,
    estimate,
    outlook_of_gaps,
    outlook_of_named,
)
from infra.cli.selection import select
from infra.cli.story import beneath, what_of
from infra.cli.survey import (
    CHOSEN_ACTIONS,
    ORGANIZATION_ACTIONS,
    number,
    offered_targets,
    remedies,
    survey,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from functions.enrolment.configuration import Configuration
    from functions.enrolment.coverage import Listing
    from functions.enrolment.target import Target
    from infra.cli.options import Wanted
    from infra.cli.planning import Outlook, Planned
    from infra.cli.selection import Selection
    from infra.cli.site import Site

# What reading an outlook calls.
ACTIONS: tuple[str, ...] = tuple(
    sorted(
        {
            *ORGANIZATION_ACTIONS,
            *CHOSEN_ACTIONS,
            *ledger.ACTIONS["read"],
            *ledger.ACTIONS["holders"],
            *reconciles.ACTIONS["memberships"],
            *reconciles.ACTIONS["running"],
            *executions.ACTIONS["is_over"],
        }
    )
)
# Up to so many memberships are listed without being asked for.
MOST_LISTED = 20
_HANGING = 4


def read_outlook(
    site: Site, selection: Selection, wanted: Wanted, now: float, *, retry_failed: bool = False
) -> Outlook:
    """What runs would do about the selection as of ``now``; nothing is changed.

    ``retry_failed`` is about gaps, as in the input of a reconcile.

    Raises:
        InvalidInput: the selection, a service or a Region is invalid, or a run would refuse it.
        RollcallError, BotoCoreError: Organizations or the table cannot be read.
    """
    wiring, configuration = site.wiring, site.configuration
    targets = wanted.among(offered_targets(configuration))
    if selection.is_of_gaps:
        targets = list(
            read_reconcile_input(reconcile_input(wanted), configuration, wiring.rates).targets
        )
        read = survey(wiring, targets, now)
        rows = wiring.reconciles.memberships() if site.is_deployed else {}
        holders = wiring.ledger.holders(rows.values()) if rows else {}
        found = outlook_of_gaps(
            read, rows, holders, configuration, wiring.rates, now, retry_failed=retry_failed
        )
        other = running_reconcile(site, now)
        if other is None:
            return found
        note = f"reconcile {other} is running: until it has ended, another one starts nothing"
        return replace(found, notes=(note, *found.notes))
    selected = select(selection, wiring.paced.directory)
    read = survey(wiring, targets, now, selected.chosen)
    keys = [(account.id, target) for account in selected.accounts for target in targets]
    rows = wiring.ledger.read(keys) if site.is_deployed else {}
    holders = wiring.ledger.holders(rows.values()) if rows else {}
    return outlook_of_named(selected.accounts, read, rows, holders, configuration, now)


def running_reconcile(site: Site, now: float) -> str | None:
    """The id of the reconcile beside which another one would start nothing.

    Raises:
        RollcallError: the table or Step Functions cannot be read.
    """
    if not site.is_deployed:
        return None
    wiring = site.wiring
    found = wiring.reconciles.running(now, wiring.executions.is_over)
    return None if found is None else found.holder


def reconcile_input(wanted: Wanted) -> dict[str, Any]:
    """The part of a reconcile's or a run's input that selects targets."""
    chosen = {"services": wanted.services, "regions": wanted.regions}
    return {name: list(dict.fromkeys(words)) for name, words in chosen.items() if words}


def shown(
    outlook: Outlook, configuration: Configuration, width: int, *, accounts: bool
) -> Iterator[str]:
    """The outlook in lines of ``width``; each membership in a line if there are few or
    ``accounts`` is given.
    """
    targets = number(len(outlook.listings), "target")
    of_all = " of the organisation" if outlook.is_of_gaps else ""
    accounts_of = number(outlook.accounts, "account") + of_all
    yield f"{accounts_of} at {targets}, as of {iso(outlook.at, 'seconds')}"
    yield ""
    yield from _by_target(outlook, width)
    told = [each for each in outlook.memberships if each.prospect is not Prospect.ENABLED]
    if told and (accounts or len(told) <= MOST_LISTED):
        yield ""
        for each in sorted(told, key=lambda each: each.account_id):
            name = f"{each.account_id}  {_name(each.target, outlook)}"
            yield from _record(name, _said(each), width)
    yield ""
    yield from _hanging(summary(outlook), width)
    if left := _left_alone(outlook):
        yield from _hanging(left, width)
    if outlook.runs:
        yield from _hanging(_estimated(outlook, configuration), width)
    for text in remedies(outlook.unread):
        yield from _hanging(text, width)
    for note in outlook.notes:
        yield from _hanging(f"Note: {note}.", width)


def summary(outlook: Outlook) -> str:
    """How many runs for how many accounts."""
    counts = Counter(each.prospect for each in outlook.memberships)
    rest = outlook.accounts - outlook.in_runs
    if outlook.runs:
        text = (
            f"Plan: {number(len(outlook.runs), 'run')} for {number(outlook.in_runs, 'account')},"
            f" {outlook.changes} of them to create or invite"
        )
        if rest and not outlook.is_of_gaps:
            needs = "needs" if rest == 1 else "need"
            text += f"; {number(rest, 'account')} {needs} no run"
    else:
        text = "Plan: nothing to do"
        if counts[Prospect.NO]:
            text += f"; no run would close {number(counts[Prospect.NO], 'gap')}"
    if outlook.unread:
        text += f"; {number(len(outlook.unread), 'target')} not read"
    return f"{text}."


def _left_alone(outlook: Outlook) -> str:
    """What a reconcile does not try again now, until when, and how to start it; "" if nothing."""
    lately = [each.until for each in outlook.memberships if each.until is not None]
    hopeless = sum(each.hopeless for each in outlook.memberships)
    parts = []
    if lately:
        first, last = (iso(at, "seconds") for at in (min(lately), max(lately)))
        span = first if first == last else f"{first} to {last}"
        parts.append(f"{number(len(lately), 'gap')} tried lately, to be tried again from {span}")
    if hopeless:
        parts.append(f"{number(hopeless, 'gap')} that a run would not close until it changes")
    return f"Left alone: {'; '.join(parts)}. --retry-failed tries them now." if parts else ""


def document(outlook: Outlook, configuration: Configuration) -> dict[str, Any]:
    """The outlook for programs (docs/cli/plan.schema.json)."""
    estimated = estimate(outlook, configuration)
    return {
        "version": "1",
        "as_of": iso(outlook.at),
        "accounts": outlook.accounts,
        "accounts_in_runs": outlook.in_runs,
        "accounts_to_create_or_invite": outlook.changes,
        "runs": [
            {
                "accounts": [account.id for account in run.accounts],
                "targets": [place(target) for target in run.targets],
                "begin_after": run.begin_after,
            }
            for run in outlook.runs
        ],
        "estimate": {
            "calls": estimated.calls,
            "seconds_at_least": estimated.at_least,
            "seconds_at_most": estimated.at_most,
        },
        "targets": [
            {
                **place(listing.target),
                "problem": str(listing.problem) if listing.problem else None,
                "problem_code": listing.problem.code if listing.problem else None,
            }
            for listing in outlook.listings
        ],
        "memberships": [_entry(each) for each in outlook.memberships],
        "notes": list(outlook.notes),
    }


def _entry(planned: Planned) -> dict[str, Any]:
    return {
        "account_id": planned.account_id,
        "mode": str(planned.mode),
        **place(planned.target),
        "status": planned.status or None,
        "prospect": str(planned.prospect),
        "action": str(planned.action) if planned.action else None,
        "automation": str(planned.automation.kind) if planned.automation else None,
        "reason": str(planned.reason) if planned.reason else None,
        "reason_code": str(planned.reason.code) if planned.reason else None,
        "run": planned.run,
        "tried_lately": planned.until is not None,
        "left_alone_until": iso(planned.until) if planned.until is not None else None,
    }


def _by_target(outlook: Outlook, width: int) -> Iterator[str]:
    by_target: dict[Target, list[Planned]] = {}
    for each in outlook.memberships:
        by_target.setdefault(each.target, []).append(each)
    for listing in outlook.listings:
        name = _name(listing.target, outlook)
        said = _counted(listing, by_target.get(listing.target, []), outlook)
        yield from _record(name, said, width)


def _name(target: Target, outlook: Outlook) -> str:
    """A target in columns."""
    labels = max(len(one.target.service.label) for one in outlook.listings)
    regions = max(len(one.target.region) for one in outlook.listings)
    return f"{target.service.label:<{labels}}  {target.region:<{regions}}  "


def _counted(listing: Listing, planned: Sequence[Planned], outlook: Outlook) -> str:
    if listing.problem is not None:
        return f"not read: {what_of(str(listing.problem))}"
    counts = Counter(_brief(each) for each in sorted(planned, key=_order))
    if not counts:
        return "no gaps" if outlook.is_of_gaps else "nothing selected"
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _order(planned: Planned) -> int:
    return list(Prospect).index(planned.prospect)


def _brief(planned: Planned) -> str:
    """What is to be expected of a membership, in the words by which memberships are counted."""
    match planned.prospect:
        case Prospect.CHANGE:
            return _action(planned) + _by_itself(planned) + _failed(planned)
        case Prospect.NO | Prospect.LEFT_OUT if planned.reason is not None:
            lately = "tried lately: " if planned.until is not None else ""
            return f"{planned.prospect}: {lately}{what_of(str(planned.reason))}"
        case _:
            return str(planned.prospect)


def _action(planned: Planned) -> str:
    invited = planned.mode is Mode.INVITATION and planned.action is Action.CREATE
    return "create and invite" if invited else str(planned.action)


def _by_itself(planned: Planned) -> str:
    automation = planned.automation
    if automation is None or automation.kind is Automatic.NONE:
        return ""
    return f" ({automation.said})"


def _failed(planned: Planned) -> str:
    """Why the last run failed, if it has and nothing has changed since."""
    if planned.reason is None:
        return ""
    return f" (the last run failed: {what_of(str(planned.reason))})"


def _said(planned: Planned) -> str:
    """A membership's status, and what is to be expected of it."""
    status = f"{planned.status}: " if planned.status else ""
    match planned.prospect:
        case Prospect.CHANGE:
            return f"{status}{_brief(planned)}"
        case Prospect.IN_PROGRESS:
            return f"{status}in progress in {planned.run}"
        case _:
            lately = ""
            if planned.until is not None:
                lately = f"tried lately, until {iso(planned.until, 'seconds')}: "
            return f"{status}{planned.prospect}: {lately}{planned.reason}"


def _estimated(outlook: Outlook, configuration: Configuration) -> str:
    estimated = estimate(outlook, configuration)
    return (
        f"Estimate: about {estimated.calls} calls of the services;"
        f" {duration(estimated.at_least)} if they respond at once,"
        f" {duration(estimated.at_most)} until the last deadline."
    )


def _record(name: str, said: str, width: int) -> list[str]:
    """What is said of a place in columns: beside it if it fits, else below."""
    if len(name + said) <= width:
        return [name + said]
    return [name.rstrip(), *beneath(said, width)]


def _hanging(text: str, width: int) -> list[str]:
    """Text wrapped with a hanging indent."""
    if width >= sys.maxsize:
        return [text]
    return textwrap.wrap(
        text,
        max(width, 40),
        subsequent_indent=" " * _HANGING,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
