"""What the caller and its Region give: ids for parameters, and reasons for not trying a belief."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.services.central import SELF_MANAGED
from functions.services.registry import DETECTIVE, GUARDDUTY, SECURITYHUB
from tests.contract.beliefs.expectations import MemberApi

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.services.record import ServiceRecord
    from tests.contract.beliefs.answers import Answer, Site
    from tests.contract.beliefs.belief import Need

SECURITYHUB_API = MemberApi(SECURITYHUB, "Members", "MemberStatus", "ProcessingResult")
GUARDDUTY_API = MemberApi(GUARDDUTY, "Members", "RelationshipStatus", "Result")
DETECTIVE_API = MemberApi(DETECTIVE, "MemberDetails", "Status", "Reason")
APIS = (SECURITYHUB_API, GUARDDUTY_API, DETECTIVE_API)

# Ids that no member has: AWS has assigned none that begins with so many zeros (inferred).
UNKNOWN_ACCOUNTS = tuple(f"{number:012}" for number in range(1, 52))
ACCOUNT_MANAGEMENT = "account.amazonaws.com"

# The call that shows whether the caller has enabled a service, by service.
_OWN = {"securityhub": "DescribeHub", "guardduty": "ListDetectors", "detective": "ListGraphs"}
# The parameter of member operations that names what was enabled, and where that call shows it.
_RESOURCES = {
    "guardduty": ("DetectorId", "DetectorIds[]"),
    "detective": ("GraphArn", "GraphList[].Arn"),
}


def resource(record: ServiceRecord, site: Site) -> Mapping[str, Any]:
    """The parameter that names the caller's detector or behavior graph; empty if there is none."""
    if record == SECURITYHUB:
        return {}
    name, field = _RESOURCES[record.name]
    found = _own(record, site).values(field)
    return {name: found[0]} if found else {}


def enabled(record: ServiceRecord) -> Need:
    """The caller has a hub, a detector or a behavior graph."""

    def need(site: Site) -> str | None:
        answer = _own(record, site)
        if answer.hindrance:
            return answer.hindrance
        is_on = answer.result is not None and (record == SECURITYHUB or resource(record, site))
        return None if is_on else f"the caller has not enabled {record.label} here"

    return need


def no_hub(site: Site) -> str | None:
    answer = _own(SECURITYHUB, site)
    return answer.hindrance or (None if answer.code else "the caller has a hub here")


def has_administrator(record: ServiceRecord) -> Need:
    def need(site: Site) -> str | None:
        return None if _administrator(record, site) else "the caller is not a member here"

    return need


def has_no_administrator(record: ServiceRecord) -> Need:
    def need(site: Site) -> str | None:
        return "the caller is a member here" if _administrator(record, site) else None

    return need


def administers(record: ServiceRecord) -> Need:
    """The caller is the organisation's administrator of the service in this Region."""

    def need(site: Site) -> str | None:
        if _administers(record, site):
            return None
        return "the caller does not administer the organisation here"

    return need


def administers_not(record: ServiceRecord) -> Need:
    def need(site: Site) -> str | None:
        return (
            "the caller administers the organisation here" if _administers(record, site) else None
        )

    return need


def in_organization(site: Site) -> str | None:
    answer = site.read("organizations", "DescribeOrganization")
    return answer.hindrance or ("the caller is in no organisation" if answer.code else None)


def in_no_organization(site: Site) -> str | None:
    answer = site.read("organizations", "DescribeOrganization")
    return answer.hindrance or (None if answer.code else "the caller is in an organisation")


def reads_organization(site: Site) -> str | None:
    """The caller is the management account or a delegated administrator."""
    if _is_management(site) or any(_administers(api.record, site) for api in APIS):
        return None
    return "the caller may not read the organisation"


def is_plain_member(site: Site) -> str | None:
    """The caller is in an organisation of which it may read no accounts."""
    answer = site.read("organizations", "DescribeAccount", AccountId=site.caller)
    if answer.hindrance:
        return answer.hindrance
    return in_organization(site) or (
        None if answer.code else "the caller may read the organisation"
    )


def is_delegate(site: Site) -> str | None:
    if _is_management(site):
        return "the caller is the management account"
    return reads_organization(site)


def manages_accounts(site: Site) -> str | None:
    """The caller is the delegated administrator of Account Management, and sees another account."""
    delegates = site.read(
        "organizations",
        "ListDelegatedAdministrators",
        ServicePrincipal=ACCOUNT_MANAGEMENT,
    )
    if site.caller not in delegates.values("DelegatedAdministrators[].Id"):
        return f"the caller is not the delegated administrator of {ACCOUNT_MANAGEMENT}"
    return another(site)


def manages_no_accounts(site: Site) -> str | None:
    if manages_accounts(site) is None or _is_management(site):
        return f"the caller administers {ACCOUNT_MANAGEMENT}"
    return None


def other_account(site: Site) -> str | None:
    """An account of the organisation that is neither the caller nor the management account."""
    accounts = site.read("organizations", "ListAccounts").values("Accounts[]")
    passed_over = {site.caller, _management(site)}
    active = [
        str(account["Id"])
        for account in accounts
        if account["Id"] not in passed_over and account.get("State", "ACTIVE") == "ACTIVE"
    ]
    return active[0] if active else None


def central(site: Site) -> str | None:
    """The caller configures Security Hub centrally, and this is the home Region."""
    if administers(SECURITYHUB)(site):
        return "the caller does not administer the organisation here"
    found = site.read("securityhub", "DescribeOrganizationConfiguration")
    if "CENTRAL" not in found.values("OrganizationConfiguration.ConfigurationType"):
        return "the organisation has no central configuration of Security Hub"
    arns = site.read("securityhub", "ListFindingAggregators").values(
        "FindingAggregators[].FindingAggregatorArn"
    )
    here = any(f":{site.region}:" in arn for arn in arns)
    return None if here or not arns else "the home Region of Security Hub is another"


def association_of(account_id: str) -> Mapping[str, Any]:
    """The parameter that names the account's association with a configuration policy."""
    return {"ConfigurationPolicyAssociationIdentifiers": [{"Target": {"AccountId": account_id}}]}


def another(site: Site) -> str | None:
    return None if other_account(site) else "the organisation has no other active account"


def configuration_policy(site: Site) -> str | None:
    """A policy, not self-management, with which the other account is associated."""
    account_id = other_account(site)
    if account_id is None:
        return None
    associated = site.read(
        "securityhub", "BatchGetConfigurationPolicyAssociations", **association_of(account_id)
    )
    found = associated.values("ConfigurationPolicyAssociations[].ConfigurationPolicyId")
    return str(found[0]) if found and found[0] != SELF_MANAGED else None


def has_policy(site: Site) -> str | None:
    return None if configuration_policy(site) else "no policy applies to the other account"


def not_opted_in(site: Site) -> str | None:
    """The caller may opt in to the Region, and has not."""
    answer = site.read("account", "ListRegions", all_pages=True, MaxResults=50)
    statuses = {one["RegionName"]: one["RegionOptStatus"] for one in answer.values("Regions[]")}
    if statuses.get(site.region) == "DISABLED":
        return None
    return answer.hindrance or "the caller can use the Region"


def offered(record: ServiceRecord) -> Need:
    def need(site: Site) -> str | None:
        if site.region not in record.not_offered:
            return None
        return f"botocore lists no {record.label} here"

    return need


def not_offered(record: ServiceRecord) -> Need:
    def need(site: Site) -> str | None:
        return (
            f"botocore lists {record.label} here" if site.region not in record.not_offered else None
        )

    return need


def outsider(api: MemberApi) -> Need:
    """An account of the file is outside the organisation and no member of the caller."""

    def need(site: Site) -> str | None:
        return None if subject(api, site) else "no account of the file can be used: see the docs"

    return need


def subject(api: MemberApi, site: Site) -> tuple[str, str] | None:
    """Id and e-mail address of the account to change."""
    service = api.record.name
    for account in site.accounts:
        ours = site.read("organizations", "DescribeAccount", AccountId=account.id)
        outside = ours.code in ("AccountNotFoundException", "AWSOrganizationsNotInUseException")
        seen = site.read(
            service, "GetMembers", **resource(api.record, site), AccountIds=[account.id]
        )
        if outside and seen.result is not None and not api.statuses(seen):
            return account.id, account.email
    return None


def _own(record: ServiceRecord, site: Site) -> Answer:
    return site.read(record.name, _OWN[record.name])


def _administers(record: ServiceRecord, site: Site) -> bool:
    if enabled(record)(site):
        return False
    found = site.read(record.name, "DescribeOrganizationConfiguration", **resource(record, site))
    return found.result is not None


def _administrator(record: ServiceRecord, site: Site) -> bool:
    if record == DETECTIVE or enabled(record)(site):
        return False
    found = site.read(record.name, "GetAdministratorAccount", **resource(record, site))
    return bool(found.values("Administrator"))


def _management(site: Site) -> str | None:
    found = site.read("organizations", "DescribeOrganization").values(
        "Organization.MasterAccountId"
    )
    return str(found[0]) if found else None


def _is_management(site: Site) -> bool:
    return _management(site) == site.caller
