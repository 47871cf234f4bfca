"""GuardDuty: detectors, members, invitations, and the organisation's delegated administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.api import Caller, Operation, ServiceError
from infra.local.delegation import OrganizationMembers
from infra.local.membership import ASSOCIATED, Change, Standing, Why
from infra.local.organization import AutoEnable, MemberService
from infra.local.paging import iso
from infra.local.services import detectors, wording
from infra.local.services.tags import TagOperations
from infra.local.state import Installation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PAGE = 50
_BAD_REQUEST = "BadRequestException"
_NEVER_LISTED = frozenset({Standing.CREATED, Standing.REMOVED, Standing.RESIGNED, Standing.DELETED})


class GuardDuty(OrganizationMembers):
    service = MemberService.GUARDDUTY
    # No enumeration is modelled; the spelling is Inspector's in title case (aws-facts 1.2).
    spelling: ClassVar = {
        Standing.CREATED: "Created",
        Standing.VERIFYING: "EmailVerificationInProgress",
        Standing.VERIFICATION_FAILED: "EmailVerificationFailed",
        Standing.INVITED: "Invited",
        Standing.ENABLED: "Enabled",
        Standing.DISABLED: "Disabled",
        Standing.REMOVED: "Removed",
        Standing.RESIGNED: "Resigned",
        Standing.DELETED: "Deleted",
        Standing.SUSPENDED: "AccountSuspended",
        Standing.REGION_DISABLED: "RegionDisabled",
        Standing.MANAGEMENT_NOT_READY: "CannotCreateDetectorInOrgMaster",
    }
    texts = wording.relationship_texts(
        "GuardDuty",
        not_created=wording.REJECTED + "the member account's email address is missing.",
    )
    errors: ClassVar = {
        Why.NOT_ENABLED: (
            _BAD_REQUEST,
            wording.REJECTED + "the input detectorId is not owned by the current account.",
        ),
        # The texts of the next five are inferred.
        Why.NOT_IN_ORGANIZATION: (
            _BAD_REQUEST,
            wording.REJECTED + "the current account does not belong to an organization.",
        ),
        Why.NOT_MANAGEMENT: (
            _BAD_REQUEST,
            wording.REJECTED + "the current account is not the organization's management account.",
        ),
        Why.NOT_ADMINISTRATOR: (
            _BAD_REQUEST,
            wording.REJECTED + "the current account is not the GuardDuty delegated administrator "
            "of an organization.",
        ),
        Why.OTHER_ADMINISTRATOR: (
            _BAD_REQUEST,
            wording.REJECTED + "another account is already enabled as GuardDuty delegated "
            "administrator for the organization.",
        ),
        Why.UNKNOWN_ADMINISTRATOR: (_BAD_REQUEST, wording.OUT_OF_RANGE),
        Why.NO_INVITATION: (_BAD_REQUEST, wording.NO_INVITATION),
        Why.ALREADY_ASSOCIATED: (_BAD_REQUEST, wording.ALREADY_ASSOCIATED),
        Why.HAS_MEMBERS: (_BAD_REQUEST, wording.HAS_MEMBERS),
        Why.NOT_ASSOCIATED: (_BAD_REQUEST, wording.NOT_ASSOCIATED),
        Why.ORGANIZATION_MEMBER: (_BAD_REQUEST, wording.ORGANIZATION_MEMBER),
        Why.BAD_INPUT: (_BAD_REQUEST, wording.OUT_OF_RANGE),
    }

    @property
    def operations(self) -> Mapping[str, Operation]:
        without_detector: dict[str, Operation] = {
            "CreateDetector": self.create_detector,
            "ListDetectors": self.list_detectors,
            "ListInvitations": self.list_invitations,
            "GetInvitationsCount": self.get_invitations_count,
            "DeclineInvitations": self.decline_invitations,
            "DeleteInvitations": self.delete_invitations,
            "EnableOrganizationAdminAccount": self.enable_organization_admin_account,
            "DisableOrganizationAdminAccount": self.disable_organization_admin_account,
            "ListOrganizationAdminAccounts": self.list_organization_admin_accounts,
            **TagOperations(self, _BAD_REQUEST).operations,
        }
        with_detector: dict[str, Operation] = {
            "GetDetector": self.get_detector,
            "UpdateDetector": self.update_detector,
            "DeleteDetector": self.delete_detector,
            "CreateMembers": self.create_members,
            "InviteMembers": self.invite_members,
            "GetMembers": self.get_members,
            "ListMembers": self.list_members,
            "DisassociateMembers": self.disassociate_members,
            "DeleteMembers": self.delete_members,
            "StartMonitoringMembers": self.start_monitoring_members,
            "StopMonitoringMembers": self.stop_monitoring_members,
            "GetMemberDetectors": self.get_member_detectors,
            "UpdateMemberDetectors": self.update_member_detectors,
            "AcceptAdministratorInvitation": self.accept_administrator_invitation,
            "AcceptInvitation": self.accept_administrator_invitation,
            "GetAdministratorAccount": self.get_administrator_account,
            "GetMasterAccount": self.get_master_account,
            "DisassociateFromAdministratorAccount": self.disassociate_from_administrator_account,
            "DisassociateFromMasterAccount": self.disassociate_from_administrator_account,
            "DescribeOrganizationConfiguration": self.describe_organization_configuration,
            "UpdateOrganizationConfiguration": self.update_organization_configuration,
        }
        return without_detector | {name: self._owning(call) for name, call in with_detector.items()}

    def error(self, why: Why, **named: object) -> ServiceError:
        error = super().error(why, **named)
        return ServiceError(error.code, error.message, Type="InvalidInputException")

    def enable_delay(self) -> float:
        return self.state.timings.guardduty_enable

    def verification_delay(self) -> float | None:
        return self.state.timings.guardduty_email_verification

    def capacity(self, *, organization: bool) -> int:
        return self.state.limits.guardduty

    def switch_on(self, account_id: str, region: str) -> None:
        detector = self.state.installation(self.service, account_id, region)
        if detector is None:
            self._create(Caller(account_id, region), {})
        elif not detector.enabled:
            self._set_enabled(Caller(account_id, region), enabled=True)

    # Detectors

    def create_detector(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        if self.state.installation(self.service, who.account_id, who.region):
            raise ServiceError(
                _BAD_REQUEST,
                wording.REJECTED + "a detector already exists for the current account.",
                Type="InvalidInputException",
            )
        self._check_features(params)
        return {"DetectorId": self._create(who, params).id}

    def list_detectors(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        detector = self.state.installation(self.service, who.account_id, who.region)
        shown, token = self.paged([] if detector is None else [detector.id], params, _PAGE)
        return {"DetectorIds": shown, **token}

    def get_detector(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        return detectors.described(self._detector(who), who.account_id)

    def update_detector(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._check_features(params)
        detector = self._detector(who)
        detectors.update_features(detector.settings["features"], params)
        if "FindingPublishingFrequency" in params:
            frequency = params["FindingPublishingFrequency"]
            detector.settings["FindingPublishingFrequency"] = frequency
        detector.updated_at = self.state.now()
        if params.get("Enable", detector.enabled) != detector.enabled:
            self._set_enabled(who, enabled=params["Enable"])
            membership = self.association(who.account_id, who.region)
            if membership is not None:
                self.become(membership, Standing.ENABLED if params["Enable"] else Standing.DISABLED)
        return {}

    def delete_detector(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        members = self.memberships(who.region, administrator=who.account_id)
        if any(member.current.standing in ASSOCIATED | {Standing.INVITED} for member in members):
            raise ServiceError(
                _BAD_REQUEST,
                wording.REJECTED + "the current account cannot delete detector while it has "
                "invited or associated members.",
                Type="InvalidInputException",
            )
        membership = self.association(who.account_id, who.region)
        if membership is not None:
            if membership.current.organization:
                raise self.error(Why.ORGANIZATION_MEMBER)
            self.become(membership, Standing.RESIGNED)
        del self.state.installations[self.service, who.account_id, who.region]
        return {}

    # The administrator's members

    def create_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        emails = {one["AccountId"]: one["Email"] for one in params["AccountDetails"]}
        return self._batch(
            who, "CreateMembers", emails, lambda one: self.create(who, one, emails[one])
        )

    def invite_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._each(who, "InviteMembers", params, self.invite)

    def disassociate_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._each(who, "DisassociateMembers", params, self.disassociate)

    def delete_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._each(who, "DeleteMembers", params, self.delete)

    def get_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        # The documentation lists no per-account error for GetMembers, unlike for Start and Stop:
        # an account that is no member is absent from both lists.
        listed = dict(self.listed(who))
        answer = self._each(who, "GetMembers", params, lambda *_: None)
        failed = {entry["AccountId"] for entry in answer["UnprocessedAccounts"]}
        return {
            "Members": [
                self._member(who, account_id, listed[account_id])
                for account_id in dict.fromkeys(params["AccountIds"])
                if account_id in listed and account_id not in failed
            ],
            **answer,
        }

    def list_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        # A string in the model; not yet invited and disassociated members are the others (BC).
        only_associated = params.get("OnlyAssociated", "true").casefold() != "false"
        members = [
            self._member(who, account_id, change)
            for account_id, change in self.listed(who)
            if not only_associated or change.standing not in _NEVER_LISTED
        ]
        shown, token = self.paged(members, params, _PAGE)
        return {"Members": shown, **token}

    def start_monitoring_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._each(who, "StartMonitoringMembers", params, self._start)

    def stop_monitoring_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._each(who, "StopMonitoringMembers", params, self._stop)

    def get_member_detectors(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def describe(_: Caller, account_id: str) -> str | None:
            detector = self._member_detector(who, account_id)
            if detector is None:
                return self.texts.not_member
            found.append(
                {
                    "AccountId": account_id,
                    "DataSources": detectors.data_sources(detector),
                    "Features": detectors.feature_list(detector),
                }
            )
            return None

        answer = self._each(who, "GetMemberDetectors", params, describe)
        return {"MemberDataSourceConfigurations": found, **answer}

    def update_member_detectors(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._check_features(params)

        def update(_: Caller, account_id: str) -> str | None:
            detector = self._member_detector(who, account_id)
            if detector is None:
                return self.texts.not_member
            detectors.update_features(detector.settings["features"], params)
            detector.updated_at = self.state.now()
            return None

        return self._each(who, "UpdateMemberDetectors", params, update)

    # The member's administrator

    def list_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        invitations = [self._invitation(*entry) for entry in self.invitations(who)]
        shown, token = self.paged(invitations, params, _PAGE)
        return {"Invitations": shown, **token}

    def get_invitations_count(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        open_ones = [c for _, c in self.invitations(who) if c.standing not in ASSOCIATED]
        return {"InvitationsCount": len(open_ones)}

    def accept_administrator_invitation(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        administrator = params.get("AdministratorId") or params["MasterId"]
        self.accept(who, administrator, params["InvitationId"])
        return {}

    def decline_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._each(who, "DeclineInvitations", params, self.decline)

    def delete_invitations(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._each(who, "DeleteInvitations", params, self.delete_invitation)

    def get_administrator_account(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        # The required member is left out where AWS returns success with no content (BC).
        membership = self.association(who.account_id, who.region)
        if membership is None:
            return {}
        return {"Administrator": self._invitation(membership.administrator, membership.current)}

    def get_master_account(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        answer = self.get_administrator_account(who, params)
        return {"Master": answer["Administrator"]} if answer else {}

    def disassociate_from_administrator_account(
        self, who: Caller, _: dict[str, Any]
    ) -> dict[str, Any]:
        self.resign(who)
        return {}

    # The organisation

    def enable_organization_admin_account(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        self.designate(who, params["AdminAccountId"])
        return {}

    def disable_organization_admin_account(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        self.undesignate(who, params["AdminAccountId"])
        return {}

    def list_organization_admin_accounts(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        accounts = [
            {
                "AdminAccountId": one.account_id,
                "AdminStatus": "DISABLE_IN_PROGRESS" if one.removing else "ENABLED",
            }
            for one in self.designations(self.managed(who), who.region)
        ]
        shown, token = self.paged(accounts, params, _PAGE)
        return {"AdminAccounts": shown, **token}

    def describe_organization_configuration(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        designation = self.administered(who)
        features = designation.settings.get("features", {})
        shown, token = self.paged(detectors.organization_features(features), params, _PAGE)
        return {
            "AutoEnable": designation.auto_enable is not AutoEnable.NONE,
            "AutoEnableOrganizationMembers": designation.auto_enable.value,
            "MemberAccountLimitReached": self.full(who.account_id, who.region, organization=True),
            "DataSources": detectors.organization_data_sources(features),
            "Features": shown,
            **token,
        }

    def update_organization_configuration(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        designation = self.administered(who)
        # "You must provide a value for either ... but not both" (BC).
        if ("AutoEnable" in params) == ("AutoEnableOrganizationMembers" in params):
            raise self.error(Why.BAD_INPUT)
        self._check_features(params)
        if "AutoEnable" in params:
            auto_enable = AutoEnable.NEW if params["AutoEnable"] else AutoEnable.NONE
        else:
            auto_enable = AutoEnable(params["AutoEnableOrganizationMembers"])
        features = designation.settings.setdefault("features", {})
        detectors.update_organization_features(features, params)
        self.set_auto_enable(who, auto_enable)
        return {}

    def _owning(self, call: Operation) -> Operation:
        def checked(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
            detector = self.state.installation(self.service, who.account_id, who.region)
            if detector is None or detector.id != params["DetectorId"]:
                raise self.error(Why.NOT_ENABLED)
            return call(who, params)

        return checked

    def _detector(self, who: Caller) -> Installation:
        return self.state.installations[self.service, who.account_id, who.region]

    def _check_features(self, params: dict[str, Any]) -> None:
        if detectors.both_runtime_features(params):
            raise self.error(Why.BAD_INPUT)

    def _member_detector(self, who: Caller, account_id: str) -> Installation | None:
        membership = self.find(who.account_id, who.region, account_id)
        if membership is None or membership.current.standing not in ASSOCIATED:
            return None
        return self.state.installation(self.service, account_id, who.region)

    def _start(self, who: Caller, account_id: str) -> str | None:
        return self._monitor(who, account_id, on=True)

    def _stop(self, who: Caller, account_id: str) -> str | None:
        return self._monitor(who, account_id, on=False)

    def _monitor(self, who: Caller, account_id: str, *, on: bool) -> str | None:
        membership = self.find(who.account_id, who.region, account_id)
        if membership is None or membership.current.standing not in ASSOCIATED:
            return self.texts.not_member
        if not on and self.kept_by_organization(who, membership):
            return self.texts.auto_enable_all
        self._set_enabled(Caller(account_id, who.region), enabled=on)
        wanted = Standing.ENABLED if on else Standing.DISABLED
        if membership.current.standing is not wanted:
            self.become(membership, wanted)
        return None

    def _each(
        self,
        who: Caller,
        operation: str,
        params: dict[str, Any],
        act: Callable[[Caller, str], str | None],
    ) -> dict[str, Any]:
        asked = dict.fromkeys(params["AccountIds"])
        return self._batch(who, operation, asked, lambda one: act(who, one))

    def _batch(
        self,
        who: Caller,
        operation: str,
        account_ids: Mapping[str, Any],
        act: Callable[[str], str | None],
    ) -> dict[str, Any]:
        return {
            "UnprocessedAccounts": [
                {"AccountId": account_id, "Result": text}
                for account_id, text in self.refusals(who, operation, account_ids, act)
            ]
        }

    def _member(self, who: Caller, account_id: str, change: Change) -> dict[str, Any]:
        member: dict[str, Any] = {
            "AccountId": account_id,
            "MasterId": who.account_id,
            "AdministratorId": who.account_id,
            "Email": change.email,
            "RelationshipStatus": self.spelled(change),
            "UpdatedAt": iso(change.at),
        }
        detector = self.state.installation(self.service, account_id, who.region)
        if detector is not None and change.standing in ASSOCIATED:
            member["DetectorId"] = detector.id
        if change.invited_at is not None:
            member["InvitedAt"] = iso(change.invited_at)
        return member

    def _invitation(self, administrator: str, change: Change) -> dict[str, Any]:
        invitation: dict[str, Any] = {
            "AccountId": administrator,
            "RelationshipStatus": self.spelled(change),
        }
        if change.invitation_id is not None:
            invitation["InvitationId"] = change.invitation_id
        if change.invited_at is not None:
            invitation["InvitedAt"] = iso(change.invited_at)
        return invitation

    def _create(self, who: Caller, params: dict[str, Any]) -> Installation:
        now = self.state.now()
        detector_id = self.state.hex_id()
        arn = f"arn:aws:guardduty:{who.region}:{who.account_id}:detector/{detector_id}"
        detector = Installation(detector_id, arn, now, now, enabled=params.get("Enable", True))
        detector.tags = dict(params.get("Tags", {}))
        detector.settings = {
            "CreatedAt": now,
            "FindingPublishingFrequency": params.get("FindingPublishingFrequency", "SIX_HOURS"),
            "features": detectors.new_features(params),
        }
        self.state.install(self.service, who.account_id, who.region, detector)
        return detector

    def _set_enabled(self, who: Caller, *, enabled: bool) -> None:
        detector = self._detector(who)
        if detector.enabled != enabled:
            detector.enabled = enabled
            detector.since = detector.updated_at = self.state.now()
            self.state.account_changed(who.account_id)
