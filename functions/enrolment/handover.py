"""What a survey found, as JSON: to go on with it later, and to hand it to the runs it starts.

A batch is the part that concerns the accounts and the targets of one run. The documents contain no
e-mail addresses: accounts that are read from them have none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId, OrganizationAccount
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.coverage import Listing, Survey
from functions.enrolment.membership import (
    Membership,
    Observation,
    Status,
    survey_is_valid,
)
from functions.enrolment.plan import Facts
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.target import read_target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from functions.enrolment.service import Service
    from functions.enrolment.target import Target


@dataclass(frozen=True, slots=True)
class Batch:
    """What a survey found about the accounts of one run.

    Changes after ``surveyed_at`` (epoch seconds) may be missing. The run is to enrol every account
    of ``facts.directory`` at the target of every listing. ``execution_arn`` is the reconcile's
    execution.
    """

    reconcile_id: str
    number: int
    surveyed_at: float
    execution_arn: str
    facts: Facts
    listings: tuple[Listing, ...]

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets, in the order of enrolment."""
        return tuple(listing.target for listing in self.listings)

    @property
    def resources(self) -> Mapping[Target, str]:
        """The administrator's detector ids and behavior graph ARNs, by target."""
        known = {listing.target: listing.resource for listing in self.listings}
        return {target: resource for target, resource in known.items() if resource is not None}

    def is_valid(self, now: float) -> bool:
        """Whether what the survey read may still be acted on."""
        return survey_is_valid(self.surveyed_at, now)

    def facts_with(self, emails: Mapping[AccountId, str | None]) -> Facts:
        """The facts, with the e-mail addresses of the accounts; accounts without are left out."""
        directory = {
            account: replace(known, email=emails[account] or "")
            for account, known in self.facts.directory.items()
            if account in emails
        }
        return replace(self.facts, directory=directory)

    def inform(self, before: Membership, taken: Membership) -> Membership:
        """A membership that a run takes, with what the survey read of it.

        ``before`` is its row. Without that, if a run changed the row since the survey, or if the
        survey does not know what the service does by itself about an account that is not Enabled.
        """
        listing = next((each for each in self.listings if each.target == taken.target), None)
        if listing is None or listing.problem is not None:
            return taken
        if taken.account_id not in self.facts.directory or before.changed_at > self.surveyed_at:
            return taken
        seen = listing.observation(taken.account_id)
        automation = listing.automations.get(taken.account_id)
        if seen.status is Status.ENABLED:
            automation = None
        elif automation is None or automation.kind is Automatic.UNKNOWN:
            return taken
        return taken.surveyed(seen, automation, self.surveyed_at)


def onboarding_id(reconcile_id: str, number: int) -> str:
    """The name of the execution for a batch: the same each time the batch is started.

    A name has at most 80 characters (Step Functions API, StartExecution).
    """
    return f"{reconcile_id[:72]}-{number}"


def reconcile_of(onboarding_id: str) -> str:
    """The id of the reconcile that started a run, or its first 72 characters."""
    return onboarding_id.rpartition("-")[0]


def batch_to_json(batch: Batch) -> dict[str, Any]:
    """The batch; what the listings say of other accounts is left out."""
    return {
        "reconcile_id": batch.reconcile_id,
        "number": batch.number,
        "surveyed_at": batch.surveyed_at,
        "execution_arn": batch.execution_arn,
        "facts": facts_to_json(batch.facts),
        "listings": [listing_to_json(each, batch.facts.directory) for each in batch.listings],
    }


def batch_from_json(document: Mapping[str, Any], services: Sequence[Service]) -> Batch:
    """Read a batch.

    Raises:
        ValueError: a service is not one of ``services``.
    """
    return Batch(
        reconcile_id=document["reconcile_id"],
        number=document["number"],
        surveyed_at=document["surveyed_at"],
        execution_arn=document["execution_arn"],
        facts=facts_from_json(document["facts"], services),
        listings=tuple(listing_from_json(each, services) for each in document["listings"]),
    )


def survey_to_json(survey: Survey) -> dict[str, Any]:
    """A survey, to go on with it later."""
    return {
        "facts": facts_to_json(survey.facts),
        "listings": [listing_to_json(each) for each in survey.listings],
        "notes": list(survey.notes),
        "finished": survey.finished,
    }


def survey_from_json(document: Mapping[str, Any], services: Sequence[Service]) -> Survey:
    """Read a survey.

    Raises:
        ValueError: a service is not one of ``services``.
    """
    return Survey(
        facts=facts_from_json(document["facts"], services),
        listings=tuple(listing_from_json(each, services) for each in document["listings"]),
        notes=tuple(document["notes"]),
        finished=document["finished"],
    )


def facts_to_json(facts: Facts) -> dict[str, Any]:
    """The facts, without e-mail addresses."""
    return {
        "administrator_id": facts.administrator_id,
        "management_id": facts.management_id,
        "accounts": [
            {"id": each.id, "state": each.state, "path": each.path, "joined_at": each.joined_at}
            for each in facts.directory.values()
        ],
        "delegated": {service.name: known for service, known in facts.delegated.items()},
        "regions": {
            account: None if regions is None else sorted(regions)
            for account, regions in facts.regions.items()
        },
        "tags": {account: dict(tags) for account, tags in facts.tags.items()},
    }


def facts_from_json(document: Mapping[str, Any], services: Sequence[Service]) -> Facts:
    """Read facts; a service that this version does not know is left out."""
    by_name = {service.name: service for service in services}
    return Facts(
        administrator_id=AccountId(document["administrator_id"]),
        management_id=document["management_id"],
        directory={
            AccountId(each["id"]): OrganizationAccount(
                AccountId(each["id"]), "", each["state"], each["path"], each["joined_at"]
            )
            for each in document["accounts"]
        },
        delegated={
            by_name[name]: known for name, known in document["delegated"].items() if name in by_name
        },
        regions={
            AccountId(account): None if regions is None else frozenset(regions)
            for account, regions in document["regions"].items()
        },
        tags={AccountId(account): tags for account, tags in document["tags"].items()},
    )


def listing_to_json(
    listing: Listing, accounts: Collection[AccountId] | None = None
) -> dict[str, Any]:
    """A listing, of these accounts only if given; accounts in the same situation are in one group.

    An account in none of the groups of ``members`` is not listed.
    """
    members = [
        ((str(seen.status), seen.raw, seen.detail), account)
        for account, seen in listing.members.items()
        if accounts is None or account in accounts
    ]
    automations = [
        ((str(each.kind), each.said), account)
        for account, each in listing.automations.items()
        if accounts is None or account in accounts
    ]
    problem = listing.problem
    return {
        "service": listing.target.service.name,
        "region": listing.target.region,
        "members": [
            {"status": status, "raw": raw, "detail": detail, "accounts": ids}
            for (status, raw, detail), ids in _grouped(members)
        ],
        "automations": [
            {"kind": kind, "said": said, "accounts": ids}
            for (kind, said), ids in _grouped(automations)
        ],
        "resource": listing.resource,
        "read_at": listing.read_at,
        "problem": None if problem is None else {"code": problem.code, "text": problem.text},
    }


def listing_from_json(document: Mapping[str, Any], services: Sequence[Service]) -> Listing:
    """Read a listing.

    Raises:
        ValueError: its service is not one of ``services``.
    """
    problem = document["problem"]
    return Listing(
        read_target(services, document["service"], document["region"]),
        MappingProxyType(
            {
                AccountId(account): Observation(
                    AccountId(account), Status(group["status"]), group["raw"], group["detail"]
                )
                for group in document["members"]
                for account in group["accounts"]
            }
        ),
        MappingProxyType(
            {
                AccountId(account): Automation(Automatic(group["kind"]), group["said"])
                for group in document["automations"]
                for account in group["accounts"]
            }
        ),
        None if problem is None else Reason(ReasonCode(problem["code"]), problem["text"]),
        document.get("resource"),
        document.get("read_at"),
    )


def _grouped(pairs: Iterable[tuple[Any, AccountId]]) -> list[tuple[Any, list[AccountId]]]:
    groups: dict[Any, list[AccountId]] = {}
    for key, account in pairs:
        groups.setdefault(key, []).append(account)
    return list(groups.items())
