"""Security Hub (CSPM). Its administrator has no resource of its own; a member needs a hub."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from functions.aws.calls import calling, code_of
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    Conflict,
    CredentialsRefused,
    RollcallError,
    ServiceRefused,
)
from functions.enrolment.membership import Answer, Verdict
from functions.enrolment.target import ServiceName, Traits
from functions.services.batches import answers, check_size, observations
from functions.services.invitations import (
    NO_INVITATION,
    after_refusal,
    newest_invitation,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_securityhub import SecurityHubClient
    from mypy_boto3_securityhub.type_defs import AccountDetailsTypeDef, ResultTypeDef

    from functions.enrolment.account import AccountId
    from functions.enrolment.membership import Observation

SERVICE = ServiceName.SECURITYHUB


class SecurityHub:
    """Security Hub in one Region, called as its administrator."""

    name = SERVICE
    traits = Traits(create_invites=False, restarts=frozenset())
    ACTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "observe": ("securityhub:GetMembers",),
        "create": ("securityhub:CreateMembers",),
        "invite": ("securityhub:InviteMembers",),
        "restart": (),
    }

    def __init__(self, client: SecurityHubClient) -> None:
        self._client = client

    def administrator_resource(self) -> str:
        return ""

    def observe(self, resource: str, accounts: Sequence[AccountId]) -> tuple[Observation, ...]:
        check_size(accounts)
        try:
            with self._calling("GetMembers"):
                response = self._client.get_members(AccountIds=list(accounts))
        except ServiceRefused as error:
            # Modelled, and no member to Terraform; the documentation does not say when it is given.
            absent = [account for account in accounts if account in str(error)]
            if code_of(error) != "ResourceNotFoundException" or not absent:
                raise
            rest = [account for account in accounts if account not in absent]
            seen = self.observe(resource, rest) if rest else ()
            return (*observations(SERVICE, absent, {}, {}), *seen)
        members = {
            member["AccountId"]: (member.get("MemberStatus", ""), None)
            for member in response.get("Members", [])
            if "AccountId" in member
        }
        return observations(
            SERVICE, accounts, members, _texts(response.get("UnprocessedAccounts", []))
        )

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
        return answers(SERVICE, emails, _texts(response.get("UnprocessedAccounts", [])))

    def invite(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        check_size(accounts)
        with self._calling("InviteMembers"):
            response = self._client.invite_members(AccountIds=list(accounts))
        return answers(SERVICE, accounts, _texts(response.get("UnprocessedAccounts", [])))

    def restart(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        raise NotImplementedError("Security Hub has no call that restarts members")

    @contextmanager
    def _calling(self, operation: str) -> Iterator[None]:
        try:
            with calling(SERVICE.label, operation):
                yield
        except AccessDenied as error:
            if not _hub_is_off(error):
                raise
            region = self._client.meta.region_name
            raise AdministratorNotReady(
                f"Security Hub is not enabled in {region} of the administrator account: "
                "call securityhub EnableSecurityHub there"
            ) from error


class SecurityHubInvitee:
    """Security Hub in one Region, called as a member account.

    A hub is enabled, without standards, for an invitation of ours, or where the account cannot list
    its invitations without one (no source says whether it can).
    """

    ACTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "accept": (
            "securityhub:ListInvitations",
            "securityhub:EnableSecurityHub",
            "securityhub:AcceptAdministratorInvitation",
            "securityhub:GetAdministratorAccount",
        ),
    }

    def __init__(self, client: SecurityHubClient) -> None:
        self._client = client

    def accept(self, administrator_id: AccountId) -> Answer:
        try:
            return self._accept(administrator_id)
        except AccessDenied as error:
            if not _hub_is_off(error):
                raise
            # It has just been enabled, and not every part of the service knows.
            return Answer(Verdict.RETRY, str(error))

    def _accept(self, administrator_id: AccountId) -> Answer:
        invitation_id, denial = self._invitation_with_hub(administrator_id)
        if invitation_id is None:
            return NO_INVITATION
        try:
            with calling(SERVICE.label, "AcceptAdministratorInvitation"):
                self._client.accept_administrator_invitation(
                    AdministratorId=administrator_id, InvitationId=invitation_id
                )
        except (ServiceRefused, Conflict, AccessDenied) as error:
            if _hub_is_off(error):
                if denial is None:
                    raise
                return Answer(Verdict.RETRY, str(denial))
            return after_refusal(SERVICE, error, administrator_id, self._administrator)
        return Answer(Verdict.TAKEN)

    def _invitation_with_hub(
        self, administrator_id: AccountId
    ) -> tuple[str | None, AccessDenied | None]:
        """Our newest invitation, and a hub to accept it with; or why that could not be enabled."""
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
            # The hub may be on: accepting says whether it is.
            return invitation_id, denial
        return invitation_id, None

    def _newest_invitation(self, administrator_id: AccountId) -> str | None:
        with calling(SERVICE.label, "ListInvitations"):
            pages = self._client.get_paginator("list_invitations").paginate()
            found = (invitation for page in pages for invitation in page.get("Invitations", []))
            return newest_invitation(found, administrator_id)

    def _administrator(self) -> tuple[str, str]:
        with calling(SERVICE.label, "GetAdministratorAccount"):
            administrator = self._client.get_administrator_account().get("Administrator", {})
        return administrator.get("AccountId", ""), administrator.get("MemberStatus", "")

    def _enable(self) -> None:
        try:
            with calling(SERVICE.label, "EnableSecurityHub"):
                self._client.enable_security_hub(EnableDefaultStandards=False)
        except Conflict as error:
            # ResourceConflictException also says that the hub is enabled already.
            if code_of(error) != "ResourceConflictException":
                raise


def _hub_is_off(error: RollcallError) -> bool:
    """``InvalidAccessException`` (401) "Account … is not subscribed to AWS Security Hub"."""
    return code_of(error) == "InvalidAccessException" and "not subscribed" in str(error).casefold()


def _texts(unprocessed: Iterable[ResultTypeDef]) -> dict[str, str]:
    return {
        result["AccountId"]: result.get("ProcessingResult", "")
        for result in unprocessed
        if "AccountId" in result
    }
