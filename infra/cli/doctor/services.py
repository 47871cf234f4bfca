"""The services and their administrator: what Rollcall needs before it can enrol an account."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from functions.aws import directory
from functions.enrolment.account import AccountState
from functions.enrolment.automation import Automatic
from functions.enrolment.errors import AdministratorNotReady
from functions.enrolment.membership import Status
from functions.enrolment.regions import is_opt_in
from functions.services.registry import SERVICES
from functions.steps.needs import actions_of
from infra.cli.doctor.finding import (
    Unread,
    action_of,
    ask,
    ask_for,
    fail,
    not_checked,
    ok,
    unread_of,
    warn,
)
from infra.cli.failures import FAILURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from functions.aws.sessions import Clients
    from functions.enrolment.account import AccountId, OrganizationAccount
    from functions.enrolment.automation import Automation
    from functions.enrolment.target import Target
    from functions.services.record import ServiceRecord
    from functions.steps.wiring import Wiring
    from infra.cli.doctor.finding import Finding

ACTIONS = (
    "organizations:ListAWSServiceAccessForOrganization",
    *actions_of(directory.ACTIONS, "organization", "accounts", "is_delegated"),
    *(each for one in SERVICES for each in actions_of(one.permissions, "observe", "automation")),
)
# Those of the management account, with --management-profile.
MANAGEMENT_ACTIONS = ("guardduty:ListDetectors", "securityhub:DescribeHub")
ACCOUNT_MANAGEMENT = "account.amazonaws.com"
# Members of one administrator in a Region: Security Hub user guide "securityhub-account-
# restrictions-recommendations", GuardDuty user guide "guardduty_limits", Detective API reference
# "ServiceQuotaExceededException". No quota of them can be raised; of Detective's AWS says both.
MOST_MEMBERS = {"securityhub": 10_000, "guardduty": 50_000, "detective": 1_200}
_NEARLY = 0.9
_AT_ONCE = 16

# What sets a service up, for the administrator and for the management account.
_SET_UP = {
    "securityhub": "securityhub enable-security-hub --no-enable-default-standards",
    "guardduty": "guardduty create-detector --enable",
    "detective": "detective create-graph",
}
_DESIGNATE = {
    "securityhub": "securityhub enable-organization-admin-account --admin-account-id",
    "guardduty": "guardduty enable-organization-admin-account --admin-account-id",
    "detective": "detective enable-organization-admin-account --account-id",
}
# The services that make the management account a member only once it has set them up itself
# (botocore, securityhub CreateMembers; for GuardDuty its text about the "organization master").
_SET_UP_FIRST = ("securityhub", "guardduty")
_UNKNOWN = (Automatic.UNKNOWN, Automatic.POLICY_UNKNOWN)


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What was read of one target.

    ``not_ready`` says that the administrator lacks hub, detector or graph. ``management`` is the
    status of the management account as a member, None if it is not to be one; ``set_up_there``
    whether that account has set the service up itself, None if that was not asked.
    """

    target: Target
    unread: Unread | None = None
    not_ready: str = ""
    automation: Automation | Unread | None = None
    management: Status | Unread | None = None
    set_up_there: bool | Unread | None = None


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What was read of the organisation and of the targets.

    ``management`` is None if the account belongs to no organisation. ``accounts`` counts those that
    are ACTIVE. ``delegated`` has None where the question was refused. ``trusted`` is whether the
    organisation trusts Account Management.
    """

    administrator: AccountId
    management: AccountId | Unread | None
    accounts: int | Unread
    delegated: Mapping[ServiceRecord, bool | None]
    account_delegate: bool | None
    trusted: bool | Unread
    targets: Sequence[TargetFacts] = ()
    not_offered: Sequence[Target] = ()
    opt_in: Sequence[str] = field(default_factory=tuple)


def read_services(
    wiring: Wiring,
    targets: Sequence[Target],
    management: AccountId | Unread | None,
    accounts: Sequence[OrganizationAccount] | Unread,
    manager: Clients | None,
) -> ServiceFacts:
    """Read the targets, and what the organisation says of its administrators.

    ``accounts`` are the organisation's; ``manager`` are clients of the management account.
    """
    wiring = wiring.paced
    configuration = wiring.configuration
    administrator = wiring.settings.administrator_id
    listed = () if isinstance(accounts, Unread) else accounts
    known = next((one for one in listed if one.id == management), None)
    enrolled = (
        known.id
        if known is not None
        and known.id != administrator
        and not configuration.scope.exclusion_reason(known.id, known.path, {})
        else None
    )
    services = dict.fromkeys(wiring.record(target) for target in targets)
    opt_in = [region for region in configuration.regions if is_opt_in(region)]

    def read(target: Target) -> TargetFacts:
        return _read_target(wiring, target, enrolled, manager)

    offered = [target for target in targets if configuration.is_offered(target)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read_targets = tuple(pool.map(read, offered))
    return ServiceFacts(
        administrator,
        management,
        accounts
        if isinstance(accounts, Unread)
        else sum(one.state == AccountState.ACTIVE for one in accounts),
        {record: _delegated(wiring, record.principal) for record in services},
        _delegated(wiring, ACCOUNT_MANAGEMENT) if opt_in else None,
        ask("organizations:ListAWSServiceAccessForOrganization", lambda: _is_trusted(wiring)),
        read_targets,
        [target for target in targets if not configuration.is_offered(target)],
        opt_in,
    )


def _delegated(wiring: Wiring, principal: str) -> bool | None:
    """Whether the administrator is the service's delegated one; None if that was not read."""
    administrator = wiring.settings.administrator_id
    answer = ask(
        "organizations:ListDelegatedAdministrators",
        lambda: wiring.directory.is_delegated(principal, administrator),
    )
    return None if isinstance(answer, Unread) else answer


def _is_trusted(wiring: Wiring) -> bool:
    client = wiring.clients.client("organizations", wiring.home_region)
    pages = client.get_paginator("list_aws_service_access_for_organization").paginate()
    return any(
        one.get("ServicePrincipal") == ACCOUNT_MANAGEMENT
        for page in pages
        for one in page["EnabledServicePrincipals"]
    )


def _read_target(
    wiring: Wiring, target: Target, management: AccountId | None, manager: Clients | None
) -> TargetFacts:
    service = wiring.service(target)
    name = target.service.name
    try:
        resource = service.administrator_resource()
        asked = management or wiring.settings.administrator_id
        automation = service.automation(resource, [asked])[asked]
        status = None
        if management is not None:
            status = service.observe(resource, [management])[0].status
    except AdministratorNotReady as error:
        return TargetFacts(target, not_ready=str(error))
    except FAILURES as error:
        return TargetFacts(target, unread=unread_of(action_of(error, name), error))
    there = None
    if manager is not None and management is not None and status is not Status.ENABLED:
        there = _is_set_up(manager.client(name, target.region), name)
    return TargetFacts(target, automation=automation, management=status, set_up_there=there)


def _is_set_up(client: Any, name: str) -> bool | Unread | None:
    """Whether the caller's own account has set the service up; None where it does not have to."""
    if name == "securityhub":
        # Without a hub: InvalidAccessException (botocore, DescribeHub).
        missing = ("InvalidAccessException", "ResourceNotFoundException")
        answer = ask_for("securityhub:DescribeHub", missing, client.describe_hub)
        return answer if isinstance(answer, Unread) else answer is not None
    if name == "guardduty":
        answer = ask("guardduty:ListDetectors", client.list_detectors)
        return answer if isinstance(answer, Unread) else bool(answer["DetectorIds"])
    return None


def judge_services(facts: ServiceFacts) -> Iterator[Finding]:
    """All findings about the services."""
    yield from judge_delegation(facts)
    yield from judge_account_management(facts)
    yield from judge_targets(facts)
    yield from judge_management(facts)
    yield from judge_quotas(facts)
    for target in facts.not_offered:
        yield warn(
            "offered",
            f"{_place(target)}: AWS does not offer the service there, and it is skipped; to do:"
            f" leave the Region out in service_regions.{target.service} of cdk.json",
        )


def judge_delegation(facts: ServiceFacts) -> Iterator[Finding]:
    """Whether the organisation has made the administrator account that of each service."""
    if isinstance(facts.management, Unread):
        yield not_checked("delegated-administrator", "The organisation", facts.management)
        return
    if facts.management is None:
        yield warn(
            "delegated-administrator",
            f"{facts.administrator} belongs to no organisation: accounts can only be invited",
        )
        return
    if facts.management == facts.administrator:
        yield ok(
            "delegated-administrator", "The management account administers the services itself"
        )
        return
    for record, delegated in facts.delegated.items():
        if delegated is None:
            yield not_checked(
                "delegated-administrator",
                record.label,
                Unread("organizations:ListDelegatedAdministrators", "access denied"),
            )
        elif delegated:
            yield ok(
                "delegated-administrator",
                f"{record.label}: {facts.administrator} is its delegated administrator",
            )
        else:
            region = next(
                (one.target.region for one in facts.targets if one.target.service == record),
                "REGION",
            )
            yield fail(
                "delegated-administrator",
                f"{record.label}: {facts.administrator} is not its delegated administrator",
                f"aws {_DESIGNATE[record.name]} {facts.administrator} --region {region}",
                facts.management,
            )


def judge_account_management(facts: ServiceFacts) -> Iterator[Finding]:
    """Whether it can be looked up which accounts have opted in to an opt-in Region."""
    management = facts.management
    if not facts.opt_in or management is None or isinstance(management, Unread):
        return
    regions = ", ".join(facts.opt_in)
    unknown = f"which accounts have opted in to {regions} cannot be looked up"
    if isinstance(facts.trusted, Unread):
        yield not_checked("trusted-access", "Account Management", facts.trusted)
    elif facts.trusted:
        yield ok("trusted-access", "The organisation trusts Account Management")
    else:
        yield fail(
            "trusted-access",
            f"The organisation does not trust Account Management: {unknown}",
            f"aws organizations enable-aws-service-access --service-principal {ACCOUNT_MANAGEMENT}",
            management,
        )
    if management == facts.administrator:
        return
    if facts.account_delegate is None:
        refused = Unread("organizations:ListDelegatedAdministrators", "access denied")
        yield not_checked("account-management", "Account Management", refused)
    elif facts.account_delegate:
        yield ok(
            "account-management",
            f"Account Management: {facts.administrator} is its delegated administrator",
        )
    else:
        yield fail(
            "account-management",
            f"Account Management: {facts.administrator} is not its delegated administrator:"
            f" {unknown}",
            "aws organizations register-delegated-administrator"
            f" --account-id {facts.administrator} --service-principal {ACCOUNT_MANAGEMENT}",
            management,
        )


def judge_targets(facts: ServiceFacts) -> Iterator[Finding]:
    """Whether the administrator is set up in each Region, and is the organisation's there."""
    sound: dict[tuple[str, str], list[str]] = {}
    for one in facts.targets:
        target, place = one.target, _place(one.target)
        if one.unread is not None:
            yield not_checked("administrator", place, one.unread)
        elif one.not_ready:
            yield fail(
                "set-up",
                f"{place}: {one.not_ready}",
                f"aws {_SET_UP[target.service.name]} --region {target.region}",
            )
        elif isinstance(one.automation, Unread):
            yield not_checked("administrator", place, one.automation)
        elif one.automation is not None and one.automation.kind is Automatic.NOT_DELEGATED:
            management = facts.management if isinstance(facts.management, str) else ""
            yield fail(
                "administrator",
                f"{place}: {facts.administrator} is not the organisation's administrator there",
                f"aws {_DESIGNATE[target.service.name]} {facts.administrator}"
                f" --region {target.region}",
                management,
            )
        elif one.automation is not None and one.automation.kind in _UNKNOWN:
            yield warn("administrator", f"{place}: {one.automation.said}")
        else:
            said = one.automation.said if one.automation else ""
            sound.setdefault((target.service.label, said), []).append(target.region)
    for (label, said), regions in sound.items():
        yield ok(
            "administrator",
            f"{label}: set up, and administered for the organisation, in {', '.join(regions)}"
            f" ({said})",
        )


def judge_management(facts: ServiceFacts) -> Iterator[Finding]:
    """Whether the management account is a member, and what it needs to become one."""
    account = facts.management
    if account is None or isinstance(account, Unread):
        return
    sound: dict[str, list[str]] = {}
    for one in facts.targets:
        name, region = one.target.service.name, one.target.region
        if one.management is None or isinstance(one.management, Unread):
            continue
        if one.management is Status.ENABLED:
            said = f"{one.target.service.label}: the management account is Enabled in"
            sound.setdefault(said, []).append(region)
        elif isinstance(one.set_up_there, Unread):
            yield not_checked(
                "management-account",
                f"{_place(one.target)}: the management account is {one.management}; whether it has"
                " enabled the service itself",
                one.set_up_there,
            )
        elif name not in _SET_UP_FIRST or one.set_up_there:
            said = (
                f"{one.target.service.label}: the management account is {one.management}, and a run"
                " can enrol it, in"
            )
            sound.setdefault(said, []).append(region)
        else:
            known = one.set_up_there is False
            yield warn(
                "management-account",
                f"{_place(one.target)}: the management account is {one.management}; AWS makes it a"
                " member only after it has enabled the service itself"
                f"{', which it has not' if known else ''}"
                f"{'; it must have opted in to the Region' if is_opt_in(region) else ''}",
                f"aws {_SET_UP[name]} --region {region}",
                account,
            )
    for said, regions in sound.items():
        yield ok("management-account", f"{said} {', '.join(regions)}")


def judge_quotas(facts: ServiceFacts) -> Iterator[Finding]:
    """Whether the services have room for the organisation's accounts."""
    if isinstance(facts.accounts, Unread):
        yield not_checked("members", "The number of accounts", facts.accounts)
        return
    for record in facts.delegated:
        most = MOST_MEMBERS.get(record.name)
        if most is None:
            continue
        room = f"{facts.accounts:,} active accounts of at most {most:,} members in a Region"
        if facts.accounts > most:
            yield fail("members", f"{record.label}: {room}; to do: limit the scope in cdk.json")
        elif facts.accounts > most * _NEARLY:
            yield warn("members", f"{record.label}: {room}; further accounts are refused beyond")
        else:
            yield ok("members", f"{record.label}: {room}")


def _place(target: Target) -> str:
    return f"{target.service.label} {target.region}"
