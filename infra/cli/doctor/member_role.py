"""The member role: what can be known of it from the administrator account."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import AdministratorNotReady
from functions.services.registry import SERVICES
from functions.steps.needs import actions_of
from infra.cli.doctor.finding import Unread, action_of, ask, fail, not_checked, ok, unread_of, warn
from infra.cli.failures import FAILURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.target import Target
    from infra.cli.doctor.finding import Finding
    from infra.cli.site import Site

ACTIONS = (
    "iam:SimulatePrincipalPolicy",
    *(each for one in SERVICES for each in actions_of(one.permissions, "list")),
)
_SAMPLE = 3
# Members that are read to find some that were invited.
_MOST_READ = 500
# Stands for all accounts where none is known that was invited.
_ANY = "000000000000"


@dataclass(frozen=True, slots=True)
class MemberRoleFacts:
    """``assumes`` says for sample accounts whether the step's own policy lets it assume the role.

    ``known`` are the sample accounts that are members or invited, and outside the organisation;
    ``unlisted`` is what of their lists could not be read.
    """

    role: str
    accepting_role: str
    assumes: Mapping[str, bool] | Unread
    known: Sequence[AccountId] = ()
    unlisted: Sequence[Unread] = ()


def read_member_role(
    site: Site, targets: Sequence[Target], organization: frozenset[AccountId] | None
) -> MemberRoleFacts | None:
    """None if no member role is configured.

    ``organization`` are the organisation's accounts, None if they could not be read.
    """
    invitation, settings = site.configuration.invitation, site.wiring.settings
    if invitation.member_role is None:
        return None
    accepting = (
        f"arn:{settings.partition}:iam::{settings.administrator_id}"
        f":role/{site.names.accepting_role}"
    )
    invited = _Invited() if organization is None else _invited(site, targets, organization)
    known = tuple(invited.accounts)[:_SAMPLE]
    iam: Any = site.client("iam")

    def assumes(account: str) -> bool:
        arn = f"arn:{settings.partition}:iam::{account}:role/{invitation.member_role}"
        result = iam.simulate_principal_policy(
            PolicySourceArn=accepting, ActionNames=["sts:AssumeRole"], ResourceArns=[arn]
        )
        return bool(result["EvaluationResults"][0]["EvalDecision"] == "allowed")

    return MemberRoleFacts(
        invitation.member_role,
        accepting,
        ask(
            "iam:SimulatePrincipalPolicy",
            lambda: {account: assumes(account) for account in known or (_ANY,)},
        ),
        known,
        tuple(invited.unlisted.values()),
    )


@dataclass(frozen=True, slots=True)
class _Invited:
    """Accounts that services list, and what could not be read of their lists, by action."""

    accounts: dict[AccountId, None] = field(default_factory=dict)
    unlisted: dict[str, Unread] = field(default_factory=dict)


def _invited(site: Site, targets: Sequence[Target], organization: frozenset[AccountId]) -> _Invited:
    """Some accounts outside the organisation that a service lists."""
    wiring, found = site.wiring.paced, _Invited()
    for target in targets:
        service = wiring.service(target)
        try:
            listed = islice(service.members(service.administrator_resource()), _MOST_READ)
            outside = (one.account_id for one in listed if one.account_id not in organization)
            found.accounts.update(dict.fromkeys(outside))
        except AdministratorNotReady:
            continue
        except FAILURES as error:
            unread = unread_of(action_of(error, target.service.name), error)
            found.unlisted.setdefault(unread.action, unread)
        if len(found.accounts) >= _SAMPLE:
            break
    return found


def judge_member_role(facts: MemberRoleFacts | None) -> Iterator[Finding]:
    """Whether invitations can be accepted through the role, as far as that can be known."""
    if facts is None:
        yield ok("member-role", "No member role is configured: people accept invitations")
        return
    if isinstance(facts.assumes, Unread):
        yield not_checked("member-role", f"The role {facts.accepting_role}", facts.assumes)
        return
    for unread in facts.unlisted:
        yield not_checked("member-role", "Some accounts that were invited", unread)
    refused = [account for account, allowed in facts.assumes.items() if not allowed]
    if refused:
        yield fail(
            "member-role",
            f"The policy of {facts.accepting_role} does not let it assume {facts.role} in"
            f" {', '.join(refused)}",
        )
        return
    accounts = ", ".join(facts.known) or "any account"
    yield ok(
        "member-role",
        f"Accept Invitations may assume {facts.role} in {accounts}, by its own policy",
    )
    yield warn(
        "member-role-trust",
        "Whether the accounts have the role, and whether it trusts"
        f" {facts.accepting_role}, is not checked: only that role can assume it, and only the"
        " member account can show it",
        f"aws iam get-role --role-name {facts.role} --query Role.AssumeRolePolicyDocument",
        facts.known[0] if facts.known else "",
    )
