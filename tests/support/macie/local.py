"""Macie as a fourth member service of the local world, all of it in this one file.

What is refused by which code and in which words is inferred where the model does not say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.api import Caller, Operation, ServiceError, Wording
from infra.local.facts.membership import ASSOCIATED, Change, LocalStatus, Why
from infra.local.facts.organization import AutoEnable
from infra.local.facts.state import Installation
from infra.local.services.shared.members import Members
from infra.local.services.shared.refusals import relationship_texts
from infra.local.wire.errors import described
from infra.local.wire.paging import when

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PAGE = 25
_INVALID = "ValidationException"
_MISSING = "ResourceNotFoundException"


class Macie(Members):
    name = "macie2"
    label = "Macie"
    principal = "macie.amazonaws.com"
    wording = Wording(
        throttling="ThrottlingException",
        server_error="InternalServerException",
        invalid_input=lambda broken: ServiceError(_INVALID, described(broken)),
        malformed=lambda message: ServiceError(_INVALID, message),
    )
    timings: ClassVar = {"macie2_enable": 1.0, "macie2_email_verification": 1.0}
    limits: ClassVar = {"macie2_organization": 10_000, "macie2_invitation": 1_000}
    spelling: ClassVar = {
        LocalStatus.CREATED: "Created",
        LocalStatus.VERIFYING: "EmailVerificationInProgress",
        LocalStatus.VERIFICATION_FAILED: "EmailVerificationFailed",
        LocalStatus.INVITED: "Invited",
        LocalStatus.ENABLED: "Enabled",
        LocalStatus.DISABLED: "Paused",
        LocalStatus.REMOVED: "Removed",
        LocalStatus.RESIGNED: "Resigned",
        LocalStatus.SUSPENDED: "AccountSuspended",
        LocalStatus.REGION_DISABLED: "RegionDisabled",
    }
    texts = relationship_texts("Macie", not_created="The account is not a member.")
    errors: ClassVar = {
        **{why: (_INVALID, f"The request is rejected because {why}") for why in Why},
        Why.NOT_ENABLED: ("AccessDeniedException", "Macie is not enabled"),
    }

    @property
    def operations(self) -> Mapping[str, Operation]:
        free: dict[str, Operation] = {
            "EnableMacie": self.enable_macie,
            "EnableOrganizationAdminAccount": self.enable_organization_admin_account,
        }
        with_session: dict[str, Operation] = {
            "GetMacieSession": self.get_macie_session,
            "CreateMember": self.create_member,
            "GetMember": self.get_member,
            "ListMembers": self.list_members,
            "DisassociateMember": self.disassociate_member,
            "DeleteMember": self.delete_member,
            "CreateInvitations": self.create_invitations,
            "ListInvitations": self.list_invitations,
            "AcceptInvitation": self.accept_invitation,
            "GetAdministratorAccount": self.get_administrator_account,
            "DescribeOrganizationConfiguration": self.describe_organization_configuration,
        }
        return free | {name: self._enabled(call) for name, call in with_session.items()}

    def enable_delay(self) -> float:
        return self.state.timings["macie2_enable"]

    def verification_delay(self) -> float | None:
        return self.state.timings["macie2_email_verification"]

    def capacity(self, *, organization: bool) -> float:
        kind = "organization" if organization else "invitation"
        return self.state.limits[f"macie2_{kind}"]

    def switch_on(self, account_id: str, region: str) -> None:
        if self.state.installation(self.name, account_id, region) is None:
            now = self.state.now()
            arn = f"arn:aws:macie2:{region}:{account_id}"
            session = Installation("session", arn, now, now)
            self.state.install(self.name, account_id, region, session)

    def enable_macie(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        if self.state.installation(self.name, who.account_id, who.region):
            raise ServiceError("ConflictException", "Macie has already been enabled")
        self.switch_on(who.account_id, who.region)
        return {}

    def get_macie_session(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        session = self.state.installations[self.name, who.account_id, who.region]
        return {
            "createdAt": when(session.since),
            "updatedAt": when(session.updated_at),
            "status": "ENABLED" if session.enabled else "PAUSED",
        }

    def enable_organization_admin_account(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        self.delegation.designate(who, params["adminAccountId"])
        return {}

    def describe_organization_configuration(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        designation = self.delegation.administered(who)
        full = self.full(who.account_id, who.region, organization=True)
        enables = designation.auto_enable is not AutoEnable.NONE
        return {"autoEnable": enables, "maxAccountLimitReached": full}

    def create_member(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        account_id, email = params["account"]["accountId"], params["account"]["email"]
        self._one(who, "CreateMember", account_id, lambda one: self.create(who, one, email))
        return {"arn": self._arn(who, account_id)}

    def get_member(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        account_id = params["id"]
        shown = self.shown(who, account_id)
        unread = None if shown else self.texts.not_member
        self._one(who, "GetMember", account_id, lambda _: unread)
        return self._member(who, account_id, shown) if shown else {}

    def list_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        everyone = params.get("onlyAssociated", "true").casefold() == "false"

        def describe(account_id: str, change: Change) -> dict[str, Any] | None:
            shown = everyone or change.status in ASSOCIATED
            return self._member(who, account_id, change) if shown else None

        members, token = self.listed(who, _paging(params), _PAGE, describe)
        return {"members": members, "nextToken": token.get("NextToken")}

    def disassociate_member(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._one(
            who, "DisassociateMember", params["id"], lambda one: self.disassociate(who, one)
        )

    def delete_member(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._one(who, "DeleteMember", params["id"], lambda one: self.delete(who, one))

    def create_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        asked = dict.fromkeys(params["accountIds"])
        refused = self.refusals(who, "CreateInvitations", asked, lambda one: self.invite(who, one))
        return {
            "unprocessedAccounts": [
                {"accountId": one, "errorCode": "ClientError", "errorMessage": text}
                for one, text in refused
            ]
        }

    def list_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        shown = [self._invitation(*entry) for entry in self.invitations(who)]
        return self._page("invitations", shown, params)

    def accept_invitation(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        administrator = params.get("administratorAccountId") or params.get("masterAccount", "")
        self.accept(who, administrator, params["invitationId"])
        return {}

    def get_administrator_account(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        found = self.association(who.account_id, who.region)
        if found is None:
            return {}
        return {"administrator": self._invitation(found.administrator, found.current)}

    def _enabled(self, call: Operation) -> Operation:
        def checked(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
            if self.state.installation(self.name, who.account_id, who.region) is None:
                raise self.error(Why.NOT_ENABLED)
            return call(who, params)

        return checked

    def _one(
        self, who: Caller, operation: str, account_id: str, act: Callable[[str], str | None]
    ) -> dict[str, Any]:
        for _, text in self.refusals(who, operation, [account_id], act):
            missing = text in (self.texts.not_member, self.texts.not_associated)
            raise ServiceError(_MISSING if missing else _INVALID, text)
        return {}

    def _page(
        self, member: str, items: list[dict[str, Any]], params: dict[str, Any]
    ) -> dict[str, Any]:
        shown, token = self.paged(items, _paging(params), _PAGE)
        return {member: shown, "nextToken": token.get("NextToken")}

    def _arn(self, who: Caller, account_id: str) -> str:
        return f"arn:aws:macie2:{who.region}:{who.account_id}:member/{account_id}"

    def _member(self, who: Caller, account_id: str, change: Change) -> dict[str, Any]:
        return {
            "accountId": account_id,
            "administratorAccountId": who.account_id,
            "masterAccountId": who.account_id,
            "arn": self._arn(who, account_id),
            # "Null if the account is associated through Organizations", says the model.
            "email": None if change.organization else change.email,
            "invitedAt": None if change.invited_at is None else when(change.invited_at),
            "relationshipStatus": self.spelled(change),
            "updatedAt": when(change.at),
        }

    def _invitation(self, administrator: str, change: Change) -> dict[str, Any]:
        return {
            "accountId": administrator,
            "invitationId": change.invitation_id,
            "invitedAt": None if change.invited_at is None else when(change.invited_at),
            "relationshipStatus": self.spelled(change),
        }


def _paging(params: dict[str, Any]) -> dict[str, Any]:
    return {"NextToken": params.get("nextToken"), "MaxResults": params.get("maxResults")}
