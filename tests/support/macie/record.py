"""A fourth service, as it would be added: Macie, which takes one account a call."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from functions.aws.calls import calling, code_of
from functions.enrolment.automation import auto_enable
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    Conflict,
    ServiceRefused,
)
from functions.enrolment.membership import Answer, Status, Verdict
from functions.services.answers import HUB_AND_DETECTOR
from functions.services.batches import (
    answers,
    check_size,
    observation,
    observations,
    one_by_one,
    without_usable_email,
)
from functions.services.invitations import NO_INVITATION, after_refusal, newest_invitation
from functions.services.organization import not_delegated
from functions.services.record import MemberNeeds, ServiceRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from functions.enrolment.account import AccountId
    from functions.enrolment.automation import Automation
    from functions.enrolment.configuration import Invitation
    from functions.enrolment.membership import Observation


class Macie:
    """Macie in one Region, called as its administrator."""

    def __init__(self, client: Any, invitation: Invitation) -> None:
        self._client = client
        self._invitation = invitation

    def administrator_resource(self) -> str:
        return ""

    def observe(self, resource: str, accounts: Sequence[AccountId]) -> tuple[Observation, ...]:
        check_size(accounts)
        members: list[Observation] = []
        unread: dict[str, str] = {}
        for account in accounts:
            try:
                with self._calling("GetMember"):
                    member = self._client.get_member(id=account)
                members.append(observation(MACIE, account, member["relationshipStatus"]))
            except ServiceRefused as error:
                if code_of(error) != "ResourceNotFoundException":
                    unread[account] = str(error)
        return observations(MACIE, accounts, members, unread)

    def members(self, resource: str) -> Iterator[Observation]:
        pages = self._client.get_paginator("list_members").paginate(
            onlyAssociated="false", PaginationConfig={"PageSize": 25}
        )
        with self._calling("ListMembers"):
            for page in pages:
                for member in page["members"]:
                    yield observation(MACIE, member["accountId"], member["relationshipStatus"])

    def automation(
        self, resource: str, accounts: Sequence[AccountId]
    ) -> Mapping[AccountId, Automation]:
        try:
            with calling(MACIE.label, "DescribeOrganizationConfiguration"):
                found = self._client.describe_organization_configuration()
        except AccessDenied as error:
            return dict.fromkeys(accounts, not_delegated(error, ("administrator",)))
        return dict.fromkeys(accounts, auto_enable("NEW" if found.get("autoEnable") else "NONE"))

    def create(
        self, resource: str, emails: Mapping[AccountId, str | None]
    ) -> Mapping[AccountId, Answer]:
        def create_one(account: AccountId) -> None:
            with calling(MACIE.label, "CreateMember"):
                self._client.create_member(account={"accountId": account, "email": emails[account]})

        unusable = without_usable_email(MACIE, emails)
        usable = [account for account in emails if account not in unusable]
        return (one_by_one(MACIE, usable, create_one) if usable else {}) | unusable

    def invite(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        check_size(accounts)
        with calling(MACIE.label, "CreateInvitations"):
            response = self._client.create_invitations(
                accountIds=list(accounts), disableEmailNotification=not self._invitation.send_email
            )
        texts = {
            one["accountId"]: one.get("errorMessage", "")
            for one in response.get("unprocessedAccounts", [])
        }
        return answers(MACIE, accounts, texts)

    def restart(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        raise NotImplementedError

    @contextmanager
    def _calling(self, operation: str) -> Iterator[None]:
        try:
            with calling(MACIE.label, operation):
                yield
        except AccessDenied as error:
            if "Macie is not enabled" not in str(error):
                raise
            raise AdministratorNotReady(
                f"Macie is not enabled in {self._client.meta.region_name} of the administrator"
                " account: call macie2 EnableMacie there"
            ) from error


class MacieInvitee:
    """Macie in one Region, called as a member account."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def accept(self, administrator_id: AccountId) -> Answer:
        self._enable()
        with calling(MACIE.label, "ListInvitations"):
            pages = self._client.get_paginator("list_invitations").paginate()
            found = [
                {
                    "AccountId": one.get("accountId"),
                    "InvitationId": one.get("invitationId"),
                    "InvitedAt": one.get("invitedAt", ""),
                }
                for page in pages
                for one in page.get("invitations", [])
            ]
        invitation_id = newest_invitation(found, administrator_id)
        if invitation_id is None:
            return NO_INVITATION
        try:
            with calling(MACIE.label, "AcceptInvitation"):
                self._client.accept_invitation(
                    administratorAccountId=administrator_id, invitationId=invitation_id
                )
        except (ServiceRefused, Conflict, AccessDenied) as error:
            return after_refusal(MACIE, error, administrator_id, self._administrator)
        return Answer(Verdict.TAKEN)

    def _enable(self) -> None:
        try:
            with calling(MACIE.label, "EnableMacie"):
                self._client.enable_macie()
        except Conflict:
            pass  # it is enabled

    def _administrator(self) -> tuple[str, str]:
        with calling(MACIE.label, "GetAdministratorAccount"):
            administrator = self._client.get_administrator_account().get("administrator") or {}
        return administrator.get("accountId", ""), administrator.get("relationshipStatus", "")


MACIE = ServiceRecord(
    name="macie2",
    label="Macie",
    # botocore 1.44.5, get_available_regions
    not_offered=frozenset(
        {
            *("ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"),
            *("ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-2"),
            *("me-central-1", "mx-central-1", "cn-north-1", "cn-northwest-1"),
            *("us-gov-east-1", "us-gov-west-1"),
        }
    ),
    removal="DisassociateMember and DeleteMember",
    principal="macie.amazonaws.com",
    adapter=lambda client, invitation, _: Macie(client, invitation),
    invitee=lambda client, _: MacieInvitee(client),
    # botocore 1.44.5, RelationshipStatus
    statuses={
        "Created": Status.CREATED,
        "Invited": Status.INVITED,
        "EmailVerificationInProgress": Status.VERIFYING,
        "EmailVerificationFailed": Status.VERIFICATION_FAILED,
        "Enabled": Status.ENABLED,
        "Paused": Status.PAUSED,
        "Removed": Status.REMOVED,
        "Resigned": Status.RESIGNED,
        "RegionDisabled": Status.REGION_DISABLED,
        "AccountSuspended": Status.ACCOUNT_SUSPENDED,
    },
    texts=HUB_AND_DETECTOR,
    permissions={
        "observe": ("macie2:GetMember",),
        "list": ("macie2:ListMembers",),
        "automation": ("macie2:DescribeOrganizationConfiguration",),
        "create": ("macie2:CreateMember",),
        "invite": ("macie2:CreateInvitations",),
        "restart": (),
    },
    accepting=lambda _: MemberNeeds(
        (
            "macie2:ListInvitations",
            "macie2:EnableMacie",
            "macie2:AcceptInvitation",
            "macie2:GetAdministratorAccount",
        ),
        ("macie.amazonaws.com",),
    ),
)
