"""Security Hub (CSPM). Its calls take no administrator resource; a member needs a hub."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from functions.aws.calls import calling, code_of
from functions.enrolment.automation import auto_enable
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    Conflict,
    CredentialsRefused,
    RollcallError,
    ServiceRefused,
)
from functions.enrolment.membership import Answer, Status, Verdict
from functions.enrolment.rate import Rate
from functions.services.answers import HUB_AND_DETECTOR, RETRY
from functions.services.batches import answers, check_size, observation, observations
from functions.services.central import PERMISSIONS as CENTRAL_PERMISSIONS
from functions.services.central import RESOURCES as CENTRAL_RESOURCES
from functions.services.central import central_automation
from functions.services.invitations import (
    NO_INVITATION,
    after_refusal,
    newest_invitation,
)
from functions.services.organization import NOT_DELEGATED, not_delegated
from functions.services.record import MemberNeeds, ServiceRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_securityhub import SecurityHubClient
    from mypy_boto3_securityhub.type_defs import (
        AccountDetailsTypeDef,
        MemberTypeDef,
        ResultTypeDef,
    )

    from functions.enrolment.account import AccountId
    from functions.enrolment.automation import Automation
    from functions.enrolment.configuration import Invitation
    from functions.enrolment.membership import Observation

# The standard whose ARN has another form, without a Region (Security Hub user guide).
_RULESET = "cis-aws-foundations-benchmark/v/1.2.0"


class SecurityHub:
    """Security Hub in one Region, called as its administrator."""

    def __init__(
        self, client: SecurityHubClient, client_in: Callable[[str], SecurityHubClient]
    ) -> None:
        self._client = client
        self._client_in = client_in

    def administrator_resource(self) -> str:
        return ""

    def observe(self, resource: str, accounts: Sequence[AccountId]) -> tuple[Observation, ...]:
        check_size(accounts)
        try:
            with self._calling("GetMembers"):
                response = self._client.get_members(AccountIds=list(accounts))
        except ServiceRefused as error:
            # In botocore's model; Terraform reads it as not a member. AWS documents no cause.
            absent = [account for account in accounts if account in str(error)]
            if code_of(error) != "ResourceNotFoundException" or not absent:
                raise
            rest = [account for account in accounts if account not in absent]
            seen = self.observe(resource, rest) if rest else ()
            return (*observations(SECURITYHUB, absent, (), {}), *seen)
        members = _read_members(response.get("Members", []))
        return observations(
            SECURITYHUB, accounts, members, _texts(response.get("UnprocessedAccounts", []))
        )

    def members(self, resource: str) -> Iterator[Observation]:
        pages = self._client.get_paginator("list_members").paginate(
            OnlyAssociated=False, PaginationConfig={"PageSize": 50}
        )
        with self._calling("ListMembers"):
            for page in pages:
                yield from _read_members(page.get("Members", []))

    def automation(
        self, resource: str, accounts: Sequence[AccountId]
    ) -> Mapping[AccountId, Automation]:
        try:
            with self._calling("DescribeOrganizationConfiguration"):
                found = self._client.describe_organization_configuration()
        except AccessDenied as error:
            return dict.fromkeys(accounts, not_delegated(error, NOT_DELEGATED[SECURITYHUB.name]))
        organization = found.get("OrganizationConfiguration", {})
        if organization.get("ConfigurationType") == "CENTRAL" and organization.get(
            "Status"
        ) not in ("FAILED", "DISABLED"):
            return central_automation(self._client, self._client_in, accounts)
        return dict.fromkeys(accounts, auto_enable("NEW" if found.get("AutoEnable") else "NONE"))

    def create(
        self, resource: str, emails: Mapping[AccountId, str | None]
    ) -> Mapping[AccountId, Answer]:
        check_size(emails)
        details: list[AccountDetailsTypeDef] = [
            {"AccountId": account, "Email": email} if email else {"AccountId": account}
            for account, email in emails.items()
        ]
        with self._calling("CreateMembers"):
            response = self._client.create_members(AccountDetails=details)
        return answers(SECURITYHUB, emails, _texts(response.get("UnprocessedAccounts", [])))

    def invite(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        check_size(accounts)
        with self._calling("InviteMembers"):
            response = self._client.invite_members(AccountIds=list(accounts))
        return answers(SECURITYHUB, accounts, _texts(response.get("UnprocessedAccounts", [])))

    def restart(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        raise NotImplementedError("Security Hub has no call that restarts members")

    @contextmanager
    def _calling(self, operation: str) -> Iterator[None]:
        try:
            with calling(SECURITYHUB.label, operation):
                yield
        except AccessDenied as error:
            if not _hub_is_off(error):
                raise
            region = self._client.meta.region_name
            raise AdministratorNotReady(
                f"Security Hub CSPM is not enabled in {region} of the administrator account: "
                "call securityhub EnableSecurityHub there"
            ) from error


class SecurityHubInvitee:
    """Security Hub in one Region, called as a member account.

    A hub is enabled if there is an invitation from our administrator, or if the account cannot list
    its invitations without a hub (AWS does not document whether it can). Without configured
    standards it gets AWS's default ones in the same call. Configured ones take a call of their own,
    made for any hub that has no standards: an acceptance that was cut short or refused between the
    two calls is made again as a whole. The invitation is accepted last, because once the membership
    is Enabled nothing is done for the account any more. A hub with standards is never changed.
    """

    def __init__(self, client: SecurityHubClient, invitation: Invitation) -> None:
        self._client = client
        self._standards = invitation.standards

    def accept(self, administrator_id: AccountId) -> Answer:
        try:
            return self._accept(administrator_id)
        except AccessDenied as error:
            if not _hub_is_off(error):
                raise
            # It has just been enabled, which takes time to reach every part of the service.
            return Answer(Verdict.RETRY, str(error))

    def _accept(self, administrator_id: AccountId) -> Answer:
        invitation_id, denial = self._invitation_with_hub(administrator_id)
        if invitation_id is None:
            return NO_INVITATION
        try:
            self._enable_standards()
            return self._accept_invitation(administrator_id, invitation_id)
        except AccessDenied as error:
            if denial is None or not _hub_is_off(error):
                raise
            return Answer(Verdict.RETRY, str(denial))

    def _accept_invitation(self, administrator_id: AccountId, invitation_id: str) -> Answer:
        try:
            with calling(SECURITYHUB.label, "AcceptAdministratorInvitation"):
                self._client.accept_administrator_invitation(
                    AdministratorId=administrator_id, InvitationId=invitation_id
                )
        except (ServiceRefused, Conflict, AccessDenied) as error:
            if _hub_is_off(error):
                raise
            return after_refusal(SECURITYHUB, error, administrator_id, self._administrator)
        return Answer(Verdict.TAKEN)

    def _invitation_with_hub(
        self, administrator_id: AccountId
    ) -> tuple[str | None, AccessDenied | None]:
        """Our newest invitation, with the hub enabled; the error if that was denied."""
        try:
            invitation_id = self._newest_invitation(administrator_id)
        except AccessDenied as error:
            if not _hub_is_off(error):
                raise
            self._enable()
            return self._newest_invitation(administrator_id), None
        if invitation_id is None:
            return None, None
        try:
            self._enable()
        except CredentialsRefused:
            raise
        except AccessDenied as denial:
            # The hub may be enabled already: the acceptance shows whether it is.
            return invitation_id, denial
        return invitation_id, None

    def _newest_invitation(self, administrator_id: AccountId) -> str | None:
        with calling(SECURITYHUB.label, "ListInvitations"):
            pages = self._client.get_paginator("list_invitations").paginate()
            found = (invitation for page in pages for invitation in page.get("Invitations", []))
            return newest_invitation(found, administrator_id)

    def _administrator(self) -> tuple[str | None, str]:
        with calling(SECURITYHUB.label, "GetAdministratorAccount"):
            administrator = self._client.get_administrator_account().get("Administrator", {})
        return administrator.get("AccountId"), administrator.get("MemberStatus", "")

    def _enable(self) -> None:
        try:
            with calling(SECURITYHUB.label, "EnableSecurityHub"):
                if self._standards is None:
                    self._client.enable_security_hub()
                else:
                    self._client.enable_security_hub(EnableDefaultStandards=False)
        except Conflict as error:
            # ResourceConflictException also means that the hub is enabled already.
            if code_of(error) != "ResourceConflictException":
                raise

    def _enable_standards(self) -> None:
        """Enable the configured standards in a hub that has none."""
        if not self._standards:
            return
        with calling(SECURITYHUB.label, "GetEnabledStandards"):
            pages = self._client.get_paginator("get_enabled_standards").paginate()
            if any(page.get("StandardsSubscriptions") for page in pages):
                return
        with calling(SECURITYHUB.label, "BatchEnableStandards"):
            self._client.batch_enable_standards(
                StandardsSubscriptionRequests=[
                    {"StandardsArn": self._standards_arn(name)} for name in self._standards
                ]
            )

    def _standards_arn(self, name: str) -> str:
        prefix = f"arn:{self._client.meta.partition}:securityhub"
        if name == _RULESET:
            return f"{prefix}:::ruleset/{name}"
        return f"{prefix}:{self._client.meta.region_name}::standards/{name}"


def _hub_is_off(error: RollcallError) -> bool:
    """``InvalidAccessException`` (401) "Account … is not subscribed to AWS Security Hub"."""
    return code_of(error) == "InvalidAccessException" and "not subscribed" in str(error).casefold()


def _needs_of_accepting(invitation: Invitation) -> MemberNeeds:
    standards = ("securityhub:GetEnabledStandards", "securityhub:BatchEnableStandards")
    return MemberNeeds(
        (
            "securityhub:ListInvitations",
            # Inferred: it covers the default standards, too.
            "securityhub:EnableSecurityHub",
            *(standards if invitation.standards else ()),
            "securityhub:AcceptAdministratorInvitation",
            "securityhub:GetAdministratorAccount",
        ),
        ("securityhub.amazonaws.com",),
    )


def _read_members(members: Iterable[MemberTypeDef]) -> Iterator[Observation]:
    for member in members:
        if "AccountId" in member:
            yield observation(SECURITYHUB, member["AccountId"], member.get("MemberStatus", ""))


def _texts(unprocessed: Iterable[ResultTypeDef]) -> dict[str, str]:
    return {
        result["AccountId"]: result.get("ProcessingResult", "")
        for result in unprocessed
        if "AccountId" in result
    }


SECURITYHUB = ServiceRecord(
    name="securityhub",
    # AWS's name; what it calls Security Hub now is another product, without member operations.
    label="Security Hub CSPM",
    # DeleteMembers does not delete accounts of the organisation (botocore).
    organization_removal="DisassociateMembers",
    principal="securityhub.amazonaws.com",
    adapter=lambda client, _, client_in: SecurityHub(client, client_in),
    invitee=SecurityHubInvitee,
    # botocore 1.44.5, Member.MemberStatus
    statuses={
        "Created": Status.CREATED,
        "Invited": Status.INVITED,
        "Enabled": Status.ENABLED,
        # The name of Enabled until November 2020, in some Regions until later.
        "Associated": Status.ENABLED,
        "Removed": Status.REMOVED,
        "Resigned": Status.RESIGNED,
        "Deleted": Status.DELETED,
        "AccountSuspended": Status.ACCOUNT_SUSPENDED,
    },
    texts=(
        *HUB_AND_DETECTOR,
        # For more than 50 accounts in a call: Rollcall never sends that, and retrying is harmless.
        ("maximum number of results exceeded", RETRY),
    ),
    permissions={
        "observe": ("securityhub:GetMembers",),
        "list": ("securityhub:ListMembers",),
        "automation": ("securityhub:DescribeOrganizationConfiguration", *CENTRAL_PERMISSIONS),
        "create": ("securityhub:CreateMembers",),
        "invite": ("securityhub:InviteMembers",),
        "restart": (),
    },
    resources={
        **dict.fromkeys(
            (
                "securityhub:AcceptAdministratorInvitation",
                "securityhub:BatchEnableStandards",
                "securityhub:CreateMembers",
                "securityhub:DescribeOrganizationConfiguration",
                "securityhub:EnableSecurityHub",
                "securityhub:GetAdministratorAccount",
                "securityhub:GetEnabledStandards",
                "securityhub:GetMembers",
                "securityhub:InviteMembers",
                "securityhub:ListInvitations",
                "securityhub:ListMembers",
            ),
            "arn:{partition}:securityhub:*:{account}:hub/default",
        ),
        **CENTRAL_RESOURCES,
    },
    accepting=_needs_of_accepting,
    # botocore, documentation of the service: "all other operations".
    rate=Rate(10, 30),
    policy_type="SECURITYHUB_CSPM_POLICY",
)
