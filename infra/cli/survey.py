"""Reads where the organisation's accounts stand, as the administrator account, and shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.aws.calls import calling
from functions.aws.directory import Directory
from functions.aws.pacing import Pacing
from functions.aws.sessions import Clients
from functions.enrolment.account import AccountId
from functions.enrolment.coverage import State
from functions.services.registry import SERVICES
from functions.services.survey import make_survey, survey_rates
from infra.organization import organizations_region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import boto3

    from functions.enrolment.configuration import Configuration
    from functions.enrolment.coverage import Coverage, Listing, Survey
    from functions.enrolment.target import Target
    from functions.services.protocol import SecurityService


def offered_targets(configuration: Configuration) -> list[Target]:
    """The configured targets that AWS offers."""
    return [target for target in configuration.targets if configuration.is_offered(target)]


def survey(
    session: boto3.Session, configuration: Configuration, targets: Sequence[Target], now: float
) -> Survey:
    """Read the organisation and the targets; ``session`` is of the administrator account.

    Raises:
        RollcallError: STS or Organizations refused a call.
        BotoCoreError: there are no credentials, or a service cannot be reached.
    """
    pacing = Pacing(survey_rates(SERVICES, configuration.reconcile.rates))
    clients, home = Clients(session).paced(pacing), organizations_region(configuration.regions[0])
    with calling("STS", "GetCallerIdentity"):
        administrator = clients.client("sts", configuration.regions[0]).get_caller_identity()
    directory = Directory(clients.client("organizations", home), clients.client("account", home))
    records = {record.name: record for record in SERVICES}

    def adapter_of(target: Target) -> SecurityService:
        record = records[target.service.name]
        return record.adapter_in(target.region, clients.client, configuration.invitation)

    return make_survey(
        targets,
        configuration,
        SERVICES,
        directory,
        AccountId(administrator["Account"]),
        adapter_of,
        now=now,
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
