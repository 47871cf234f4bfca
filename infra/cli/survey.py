"""Reads where the organisation's accounts stand, as the administrator account, and shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from functions.aws import directory
from functions.enrolment.coverage import State
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.regions import is_opt_in
from functions.services.registry import SERVICES
from functions.services.survey import make_survey
from functions.steps.needs import actions_of
from infra.cli.failures import to_allow
from infra.cli.story import of_all, places, remedy_of, what_of, without_place_and_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from functions.enrolment.configuration import Configuration
    from functions.enrolment.coverage import Coverage, Listing, Survey
    from functions.enrolment.target import Target
    from functions.services.survey import Chosen
    from functions.steps.needs import Verb
    from functions.steps.wiring import Wiring


def _actions(accounts: str, members: Verb) -> tuple[str, ...]:
    """What a survey calls that reads accounts and members by these methods."""
    methods = (accounts, "organization", "is_delegated", "tags", "policy_types", "enabled_regions")
    return (
        *actions_of(directory.ACTIONS, *methods),
        *(each for one in SERVICES for each in actions_of(one.permissions, members, "automation")),
    )


# What surveys of the organisation call, and those of chosen accounts.
ORGANIZATION_ACTIONS = _actions("accounts", "list")
CHOSEN_ACTIONS = _actions("find", "observe")


def offered_targets(configuration: Configuration) -> list[Target]:
    """The configured targets that AWS offers."""
    return [target for target in configuration.targets if configuration.is_offered(target)]


def survey(
    wiring: Wiring, targets: Sequence[Target], now: float, chosen: Chosen | None = None
) -> Survey:
    """Read the organisation, or chosen accounts, and the targets, as the administrator account.

    Its notes also say what is not known because a call was refused that it can do without.

    Raises:
        RollcallError: Organizations refused a call.
        BotoCoreError: there are no credentials, or a service cannot be reached.
    """
    paced = wiring.paced
    read = make_survey(
        targets,
        wiring.configuration,
        wiring.services,
        paced.directory,
        wiring.settings.administrator_id,
        paced.service,
        clock=lambda: now,
        chosen=chosen,
    )
    return replace(
        read,
        listings=tuple(map(_as_the_operators, read.listings)),
        notes=(*read.notes, *_refused(read)),
    )


def _refused(found: Survey) -> Iterator[str]:
    facts = found.facts
    unknown = sum(regions is None for regions in facts.regions.values())
    if unknown:
        opt_in = {one.target.region for one in found.listings if is_opt_in(one.target.region)}
        yield (
            f"whether {number(unknown, 'account')} opted in to {', '.join(sorted(opt_in))} is not"
            " known (account:ListRegions was refused)"
        )
    services = [each.label for each, known in facts.delegated.items() if known is None]
    if services:
        yield (
            f"whether {facts.administrator_id} is the delegated administrator of"
            f" {', '.join(services)} is not known"
            " (organizations:ListDelegatedAdministrators was refused)"
        )


def _as_the_operators(listing: Listing) -> Listing:
    """The listing; a call that was denied here was denied to the operator, and to no step."""
    problem = listing.problem
    if problem is None or problem.code is not ReasonCode.ACCESS_DENIED:
        return listing
    what = what_of(str(problem))
    text = f"{what}; to do: {to_allow(what)}, and read again"
    return replace(listing, problem=Reason(problem.code, text))


def remedies(listings: Sequence[Listing]) -> Iterator[str]:
    """What to do about the targets that were not read, each thing once."""
    groups: dict[tuple[str, str], list[tuple[str, Target]]] = {}
    for listing in listings:
        target = listing.target
        remedy = remedy_of(str(listing.problem or "")).replace("start again", "read again")
        if remedy:
            key = target.service.name, without_place_and_time(remedy, target)
            groups.setdefault(key, []).append((remedy, target))
    for group in groups.values():
        targets = [target for _, target in group]
        yield f"To do for {places(targets)}: {of_all(group[0][0], targets)}"


def table(listings: Sequence[Listing], counted: Coverage) -> Iterator[str]:
    """A head, and a line for each target: how many accounts are in which state."""
    label = max((len(one.target.service.label) for one in listings), default=7)
    row = f"{{:<{label}}}  {{:<14}}  {{:>7}}  {{:>8}}  {{:>5}}"
    yield row.format("SERVICE", "REGION", "ENABLED", "LEFT OUT", "GAPS")
    for listing in listings:
        yield _line(row, listing, counted)


def number(count: int, what: str) -> str:
    """A count and its noun, such as ``1 gap`` or ``2 gaps``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _line(row: str, listing: Listing, counted: Coverage) -> str:
    target = listing.target
    if listing.problem is not None:
        numbers = row.format(target.service.label, target.region, "-", "-", "-")
        return f"{numbers}  not read: {what_of(str(listing.problem))}"
    states = counted.states.get(target, {})
    counts = (states.get(state, 0) for state in (State.ENABLED, State.LEFT_OUT, State.GAP))
    return row.format(target.service.label, target.region, *counts)
