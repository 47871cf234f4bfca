"""GuardDuty: detectors, members, invitations, and the organisation's delegated administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.api import Caller, Operation, ServiceError
from infra.local.membership import ASSOCIATED, Change, Membership, Standing, Why
from infra.local.organization import AutoEnable, MemberService
from infra.local.paging import iso
from infra.local.services import detectors, wording
from infra.local.services.relationship import PAGE, Relationship
from infra.local.services.tags import TagOperations
from infra.local.state import Installation

if TYPE_CHECKING:
    from collections.abc import Mapping

_BAD_REQUEST = "BadRequestException"
_NEVER_LISTED = frozenset({Standing.CREATED, Standing.REMOVED, Standing.RESIGNED, Standing.DELETED})


class GuardDuty(Relationship):
    service = MemberService.GUARDDUTY
    reason_member = "Result"
    status_member = "RelationshipStatus"
    admin_id_member = "AdminAccountId"
    admin_status_member = "AdminStatus"
    # The others are "members who haven't been invited yet or have been disassociated" (BC).
    not_associated = frozenset(
        {Standing.CREATED, Standing.REMOVED, Standing.RESIGNED, Standing.DELETED}
    )
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
            **self.invitation_operations(),
            "EnableOrganizationAdminAccount": self.enable_organization_admin_account,
            "DisableOrganizationAdminAccount": self.disable_organization_admin_account,
            "ListOrganizationAdminAccounts": self.list_organization_admin_accounts,
            **TagOperations(self, _BAD_REQUEST).operations,
        }
        with_detector: dict[str, Operation] = {
            "GetDetector": self.get_detector,
            "UpdateDetector": self.update_detector,
            "DeleteDetector": self.delete_detector,
            **self.member_operations(),
            **self.administrator_operations(),
            "StartMonitoringMembers": self.start_monitoring_members,
            "StopMonitoringMembers": self.stop_monitoring_members,
            "GetMemberDetectors": self.get_member_detectors,
            "UpdateMemberDetectors": self.update_member_detectors,
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

    def admission(self, membership: Membership) -> tuple[Standing, str | None]:
        admitted = super().admission(membership)
        if admitted[0] is Standing.ENABLED and membership.current.organization:
            self._give_organization_features(membership)
        return admitted

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
        shown, token = self.paged([] if detector is None else [detector.id], params, PAGE)
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

    # Members' detectors

    def start_monitoring_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(who, "StartMonitoringMembers", params["AccountIds"], self._start)

    def stop_monitoring_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.each(who, "StopMonitoringMembers", params["AccountIds"], self._stop)

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

        answer = self.each(who, "GetMemberDetectors", params["AccountIds"], describe)
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

        return self.each(who, "UpdateMemberDetectors", params["AccountIds"], update)

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

    def describe_organization_configuration(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        designation = self.administered(who)
        features = designation.settings.get("features", {})
        shown, token = self.paged(detectors.organization_features(features), params, PAGE)
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

    def _give_organization_features(self, membership: Membership) -> None:
        """CreateMembers applies the organisation's settings to new and old accounts (BC)."""
        region = membership.region
        found = self.state.designation(self.service, region, membership.administrator)
        detector = self.state.installation(self.service, membership.account_id, region)
        if found is not None and detector is not None:
            for name, auto_enable in found[1].settings.get("features", {}).items():
                if auto_enable != "NONE":
                    detector.settings["features"][name] = True

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

    def shown_member(self, who: Caller, account_id: str, change: Change) -> dict[str, Any]:
        member = super().shown_member(who, account_id, change)
        detector = self.state.installation(self.service, account_id, who.region)
        if detector is not None and change.standing in ASSOCIATED:
            member["DetectorId"] = detector.id
        return member

    def timestamp(self, at: float) -> str:
        return iso(at)

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
