"""An organisation on the local AWS in which every belief that can hold there is tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.services.registry import SERVICES
from tests.contract.beliefs.needs import ACCOUNT_MANAGEMENT
from tests.contract.beliefs.settings import NamedAccount, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.process import LocalAws

REGION = "eu-west-1"
# The administrator has everything enabled here, too, and administers nothing.
OTHER_REGION = "eu-north-1"
# The administrator has not opted in to it.
OPT_IN_REGION = "af-south-1"
# More than any of the services' timings.
_A_WHILE = 60


@dataclass(frozen=True, slots=True)
class LocalOrganization:
    """``spare`` is outside the organisation and free to be changed, ``invited`` has no hub in
    OTHER_REGION."""

    management: str
    administrator: str
    member: str
    invited: str
    declining: str
    removed: str
    created: str
    spare: str

    @property
    def free(self) -> NamedAccount:
        return NamedAccount(self.spare, email_of(self.spare))

    def settings(self) -> tuple[Settings, ...]:
        """Every caller from whom something is to be learnt, with the Regions."""
        both = (REGION, OTHER_REGION)
        return (
            Settings(self.administrator, (*both, OPT_IN_REGION), (self.free,)),
            Settings(self.member, (REGION,)),
            Settings(self.invited, both),
        )


def email_of(account_id: str) -> str:
    return f"root-{account_id}@example.com"


def organize(aws: LocalAws, first: int) -> LocalOrganization:
    """A new organisation whose accounts are numbered from ``first``, twelve digits."""
    made = LocalOrganization(*(str(first + number) for number in range(8)))
    aws.world(do="create_organization", management=made.management)
    for account_id in (made.administrator, made.member):
        _add(aws, account_id, organization=made.management)
    for account_id in (made.invited, made.declining, made.removed, made.created, made.spare):
        _add(aws, account_id)
    aws.world(do="trust", management=made.management, principal=ACCOUNT_MANAGEMENT)
    aws.client("organizations", made.management, "us-east-1").register_delegated_administrator(
        AccountId=made.administrator, ServicePrincipal=ACCOUNT_MANAGEMENT
    )
    for service in (record.name for record in SERVICES):
        enable = {"do": "enable", "service": service}
        designate = {"do": "designate", "service": service}
        aws.world(**designate, account_id=made.administrator, regions=[REGION])
        aws.world(**enable, account_id=made.administrator, regions=[OTHER_REGION])
        if service != "detective":
            for account_id in (made.invited, made.declining):
                aws.world(**enable, account_id=account_id, regions=[REGION])
        for account_id in (made.member, made.invited, made.declining, made.removed):
            _invite(aws, service, made, account_id)
    _later(aws)
    for service in ("securityhub", "guardduty"):
        administrator = aws.client(service, made.administrator, REGION)
        named: dict[str, Any] = {"AccountIds": [made.removed]}
        one = {"AccountId": made.created, "Email": email_of(made.created)}
        details: dict[str, Any] = {"AccountDetails": [one]}
        if service == "guardduty":
            detector = {"DetectorId": administrator.list_detectors()["DetectorIds"][0]}
            named, details = named | detector, details | detector
        administrator.disassociate_members(**named)
        administrator.create_members(**details)
        aws.client(service, made.declining, REGION).decline_invitations(
            AccountIds=[made.administrator]
        )
    _configure_centrally(aws, made)
    return made


def write_profiles(file: Path, aws: LocalAws, *accounts: str, url: str | None = None) -> None:
    """An AWS configuration with a profile of each account, named by its id."""
    file.write_text(
        "\n".join(
            f"[profile {account}]\nregion = {REGION}\nendpoint_url = {url or aws.url}\n"
            f"aws_access_key_id = {account}\naws_secret_access_key = local\n"
            for account in accounts
        )
    )


def _add(aws: LocalAws, account_id: str, **facts: Any) -> None:
    command = {"do": "add_account", "account_id": account_id, "email": email_of(account_id)}
    aws.world(**command, volume="known", accepts_after=None, **facts)


def _invite(aws: LocalAws, service: str, made: LocalOrganization, account_id: str) -> None:
    member = {"administrator": made.administrator, "account_id": account_id, "regions": [REGION]}
    if account_id == made.member:
        administrator = aws.client(service, made.administrator, REGION)
        _create(administrator, service, account_id)
        return
    aws.world(do="invite", service=service, **member)


def _create(administrator: Any, service: str, account_id: str) -> None:
    email = email_of(account_id)
    if service == "detective":
        graph = administrator.list_graphs()["GraphList"][0]["Arn"]
        administrator.create_members(
            GraphArn=graph, Accounts=[{"AccountId": account_id, "EmailAddress": email}]
        )
        return
    details: dict[str, Any] = {"AccountDetails": [{"AccountId": account_id, "Email": email}]}
    if service == "guardduty":
        details["DetectorId"] = administrator.list_detectors()["DetectorIds"][0]
    administrator.create_members(**details)


def _configure_centrally(aws: LocalAws, made: LocalOrganization) -> None:
    """A policy of Security Hub's that leaves the member as it is, in REGION alone."""
    hub = aws.client("securityhub", made.administrator, REGION)
    hub.create_finding_aggregator(RegionLinkingMode="NO_REGIONS")
    hub.update_organization_configuration(
        AutoEnable=False, OrganizationConfiguration={"ConfigurationType": "CENTRAL"}
    )
    _later(aws)
    enabled = {
        "ServiceEnabled": True,
        "EnabledStandardIdentifiers": [],
        "SecurityControlsConfiguration": {"DisabledSecurityControlIdentifiers": []},
    }
    policy = hub.create_configuration_policy(
        Name="enabled", ConfigurationPolicy={"SecurityHub": enabled}
    )
    hub.start_configuration_policy_association(
        ConfigurationPolicyIdentifier=policy["Id"], Target={"AccountId": made.member}
    )
    _later(aws)


def _later(aws: LocalAws) -> None:
    aws.control("POST", "clock", {"advance": _A_WHILE})
