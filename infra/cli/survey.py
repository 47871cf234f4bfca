"""Reads where the organisation's accounts stand, as the administrator account, and shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.aws import directory
from functions.enrolment.coverage import State
from functions.services.registry import SERVICES
from functions.services.survey import make_survey
from functions.steps.needs import actions_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from functions.enrolment.configuration import Configuration
    from functions.enrolment.coverage import Coverage, Listing, Survey
    from functions.enrolment.target import Target
    from functions.services.survey import Chosen
    from functions.steps.wiring import Wiring


# What surveys of the organisation, or of chosen accounts, call.
ACTIONS: tuple[str, ...] = tuple(
    sorted(
        {
            *actions_of(
                directory.ACTIONS,
                *("organization", "find", "accounts", "is_delegated", "tags", "policy_types"),
                "enabled_regions",
            ),
            *(
                action
                for service in SERVICES
                for calls in ("observe", "list", "automation")
                for action in service.permissions[calls]
            ),
        }
    )
)


def offered_targets(configuration: Configuration) -> list[Target]:
    """The configured targets that AWS offers."""
    return [target for target in configuration.targets if configuration.is_offered(target)]


def survey(
    wiring: Wiring, targets: Sequence[Target], now: float, chosen: Chosen | None = None
) -> Survey:
    """Read the organisation, or chosen accounts, and the targets, as the administrator account.

    Raises:
        RollcallError: Organizations refused a call.
        BotoCoreError: there are no credentials, or a service cannot be reached.
    """
    paced = wiring.paced
    return make_survey(
        targets,
        wiring.configuration,
        wiring.services,
        paced.directory,
        wiring.settings.administrator_id,
        paced.service,
        clock=lambda: now,
        chosen=chosen,
    )


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
        return f"{numbers}  not read: {str(listing.problem).split('; ')[0]}"
    states = counted.states.get(target, {})
    counts = (states.get(state, 0) for state in (State.ENABLED, State.LEFT_OUT, State.GAP))
    return row.format(target.service.label, target.region, *counts)
