"""GuardDuty: detectors, members, invitations, and the organisation's delegated administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.api import Caller, Operation, ServiceError, Wording
from infra.local.facts.membership import ASSOCIATED, Change, LocalMembership, LocalStatus, Why
from infra.local.facts.organization import AutoEnable
from infra.local.facts.state import Installation
from infra.local.services.guardduty import detectors
from infra.local.services.shared import refusals
from infra.local.services.shared.members import Members
from infra.local.services.shared.relationship import PAGE, Relationship, Shape
from infra.local.services.shared.tags import TagOperations
from infra.local.wire.paging import iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.facts.state import State
    from infra.local.wire.constraints import Violation

_BAD_REQUEST = "BadRequestException"
_INVALID = "InvalidInputException"


def _invalid_input(broken: Sequence[Violation]) -> ServiceError:
    """Wording and type were observed (boto3 issue 3890)."""
    first = broken[0].path[0]
    text = f"the parameter {first[:1].lower()}{first[1:]} has an invalid value."
    return ServiceError(_BAD_REQUEST, refusals.REJECTED + text, Type=_INVALID)


def _malformed(_: str) -> ServiceError:
    text = refusals.REJECTED + "the JSON could not be processed."
    return ServiceError(_BAD_REQUEST, text, Type=_INVALID)


class GuardDuty(Members):
    name = "guardduty"
    label = "GuardDuty"
    principal = "guardduty.amazonaws.com"
    # GuardDuty User Guide, guardduty-organization-policies; what policies do is not modelled.
    policy_type = "GUARDDUTY_POLICY"
    wording = Wording(
        throttling="TooManyRequestsException",
        server_error="InternalServerErrorException",
        invalid_input=_invalid_input,
        malformed=_malformed,
    )
    timings: ClassVar = {
        # From CreateMembers on an organisation account to Enabled.
        "guardduty_enable": 1.0,
        # From the invitation to Invited, or to a failed verification.
        "guardduty_email_verification": 1.0,
    }
    # Members per administrator and Region (aws-facts 1.5).
    limits: ClassVar = {"guardduty": 50_000}
    # No enumeration is modelled; the spelling is Inspector's in title case (aws-facts 1.2).
    spelling: ClassVar = {
        LocalStatus.CREATED: "Created",
        LocalStatus.VERIFYING: "EmailVerificationInProgress",
        LocalStatus.VERIFICATION_FAILED: "EmailVerificationFailed",
        LocalStatus.INVITED: "Invited",
        LocalStatus.ENABLED: "Enabled",
        LocalStatus.DISABLED: "Disabled",
        LocalStatus.REMOVED: "Removed",
        LocalStatus.RESIGNED: "Resigned",
        LocalStatus.DELETED: "Deleted",
        LocalStatus.SUSPENDED: "AccountSuspended",
        LocalStatus.REGION_DISABLED: "RegionDisabled",
        LocalStatus.MANAGEMENT_NOT_READY: "CannotCreateDetectorInOrganizationMasterAccount",
    }
    texts = refusals.relationship_texts(
        "GuardDuty",
        not_created=refusals.REJECTED + "the member account's email address is missing.",
    )
    errors: ClassVar = {
        Why.NOT_ENABLED: (
            _BAD_REQUEST,
            refusals.REJECTED + "the input detectorId is not owned by the current account.",
        ),
        # The texts of the next five are inferred.
        Why.NOT_IN_ORGANIZATION: (
            _BAD_REQUEST,
            refusals.REJECTED + "the current account does not belong to an organization.",
        ),
        Why.NOT_MANAGEMENT: (
            _BAD_REQUEST,
            refusals.REJECTED + "the current account is not the organization's management account.",
        ),
        Why.NOT_ADMINISTRATOR: (
            _BAD_REQUEST,
            refusals.REJECTED + "the current account is not the GuardDuty delegated administrator "
            "of an organization.",
        ),
        Why.OTHER_ADMINISTRATOR: (
            _BAD_REQUEST,
            refusals.REJECTED + "another account is already enabled as GuardDuty delegated "
            "administrator for the organization.",
        ),
        Why.UNKNOWN_ADMINISTRATOR: (_BAD_REQUEST, refusals.OUT_OF_RANGE),
        Why.NO_INVITATION: (_BAD_REQUEST, refusals.NO_INVITATION),
        Why.ALREADY_ASSOCIATED: (_BAD_REQUEST, refusals.ALREADY_ASSOCIATED),
        Why.HAS_MEMBERS: (_BAD_REQUEST, refusals.HAS_MEMBERS),
        Why.NOT_ASSOCIATED: (_BAD_REQUEST, refusals.NOT_ASSOCIATED),
        Why.ORGANIZATION_MEMBER: (_BAD_REQUEST, refusals.ORGANIZATION_MEMBER),
        Why.BAD_INPUT: (_BAD_REQUEST, refusals.OUT_OF_RANGE),
    }

    def __init__(self, state: State) -> None:
        super().__init__(state)
        shape = Shape(
            reason="Result",
            status="RelationshipStatus",
            admin_id="AdminAccountId",
            admin_status="AdminStatus",
            timestamp=iso,
            # "Members who haven't been invited yet or have been disassociated" (BC).
            not_associated=frozenset(
                {
                    LocalStatus.CREATED,
                    LocalStatus.REMOVED,
                    LocalStatus.RESIGNED,
                    LocalStatus.DELETED,
                }
            ),
            besides=self._detector_id,
        )
        self._relationship = Relationship(self, shape)

    @property
    def operations(self) -> Mapping[str, Operation]:
        without_detector: dict[str, Operation] = {
            "CreateDetector": self.create_detector,
            "ListDetectors": self.list_detectors,
            **self._relationship.invitation_operations(),
            **self._relationship.organization_operations(),
            **TagOperations(self, _BAD_REQUEST).operations,
        }
        with_detector: dict[str, Operation] = {
            "GetDetector": self.get_detector,
            "UpdateDetector": self.update_detector,
            "DeleteDetector": self.delete_detector,
            "ListPublishingDestinations": self.list_publishing_destinations,
            **self._relationship.member_operations(),
            **self._relationship.administrator_operations(),
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
        return ServiceError(error.code, error.message, Type=_INVALID)

    def enable_delay(self) -> float:
        return self.state.timings["guardduty_enable"]

    def verification_delay(self) -> float | None:
        return self.state.timings["guardduty_email_verification"]

    def capacity(self, *, organization: bool) -> float:
        return self.state.limits["guardduty"]

    def switch_on(self, account_id: str, region: str) -> None:
        detector = self.state.installation(self.name, account_id, region)
        if detector is None:
            self._create(Caller(account_id, region), {})
        elif not detector.enabled:
            self._set_enabled(Caller(account_id, region), enabled=True)

    def admission(self, membership: LocalMembership) -> tuple[LocalStatus, str | None]:
        admitted = super().admission(membership)
        if admitted[0] is LocalStatus.ENABLED and membership.current.organization:
            self._give_organization_features(membership)
        return admitted

    # Detectors

    def create_detector(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        if self.state.installation(self.name, who.account_id, who.region):
            raise ServiceError(
                _BAD_REQUEST,
                refusals.REJECTED + "a detector already exists for the current account.",
                Type=_INVALID,
            )
        self._check_features(who, params)
        return {"DetectorId": self._create(who, params).id}

    def list_detectors(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        detector = self.state.installation(self.name, who.account_id, who.region)
        shown, token = self.paged([] if detector is None else [detector.id], params, PAGE)
        return {"DetectorIds": shown, **token}

    def get_detector(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        return detectors.described(self._detector(who), who.account_id)

    def update_detector(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._check_features(who, params)
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
                self.become(
                    membership, LocalStatus.ENABLED if params["Enable"] else LocalStatus.DISABLED
                )
        return {}

    def delete_detector(self, who: Caller, _: dict[str, Any]) -> dict[str, Any]:
        members = self.members_of(who.account_id, who.region)
        if any(member.current.status in ASSOCIATED | {LocalStatus.INVITED} for member in members):
            raise ServiceError(
                _BAD_REQUEST,
                refusals.REJECTED + "the current account cannot delete detector while it has "
                "invited or associated members.",
                Type=_INVALID,
            )
        membership = self.association(who.account_id, who.region)
        if membership is not None:
            if membership.current.organization:
                raise self.error(Why.ORGANIZATION_MEMBER)
            self.become(membership, LocalStatus.RESIGNED)
        del self.state.installations[self.name, who.account_id, who.region]
        return {}

    def list_publishing_destinations(self, _: Caller, params: dict[str, Any]) -> dict[str, Any]:
        shown, token = self.paged(list[dict[str, Any]](), params, PAGE)
        return {"Destinations": shown, **token}

    # Members' detectors

    def start_monitoring_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._relationship.each(
            who, "StartMonitoringMembers", params["AccountIds"], self._start
        )

    def stop_monitoring_members(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._relationship.each(
            who, "StopMonitoringMembers", params["AccountIds"], self._stop
        )

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
                    "Features": detectors.member_feature_list(detector),
                }
            )
            return None

        answer = self._relationship.each(who, "GetMemberDetectors", params["AccountIds"], describe)
        return {"MemberDataSourceConfigurations": found, **answer}

    def update_member_detectors(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._check_features(who, params)

        def update(_: Caller, account_id: str) -> str | None:
            detector = self._member_detector(who, account_id)
            if detector is None:
                return self.texts.not_member
            detectors.update_features(detector.settings["features"], params)
            detector.updated_at = self.state.now()
            return None

        return self._relationship.each(who, "UpdateMemberDetectors", params["AccountIds"], update)

    # The organisation

    def describe_organization_configuration(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        designation = self.delegation.administered(who)
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
        designation = self.delegation.administered(who)
        # "You must provide a value for either ... but not both" (BC).
        if ("AutoEnable" in params) == ("AutoEnableOrganizationMembers" in params):
            raise self.error(Why.BAD_INPUT)
        self._check_features(who, params)
        if "AutoEnable" in params:
            auto_enable = AutoEnable.NEW if params["AutoEnable"] else AutoEnable.NONE
        else:
            auto_enable = AutoEnable(params["AutoEnableOrganizationMembers"])
        features = designation.settings.setdefault("features", {})
        detectors.update_organization_features(features, params)
        self.delegation.set_auto_enable(who, auto_enable)
        return {}

    def _owning(self, call: Operation) -> Operation:
        def checked(who: Caller, params: dict[str, Any]) -> dict[str, Any]:
            detector = self.state.installation(self.name, who.account_id, who.region)
            if detector is None or detector.id != params["DetectorId"]:
                raise self.error(Why.NOT_ENABLED)
            return call(who, params)

        return checked

    def _detector(self, who: Caller) -> Installation:
        return self.state.installations[self.name, who.account_id, who.region]

    def _check_features(self, who: Caller, params: dict[str, Any]) -> None:
        if detectors.refused_features(params, who.region):
            raise self.error(Why.BAD_INPUT)

    def _member_detector(self, who: Caller, account_id: str) -> Installation | None:
        membership = self.find(who.account_id, who.region, account_id)
        if membership is None or membership.current.status not in ASSOCIATED:
            return None
        return self.state.installation(self.name, account_id, who.region)

    def _give_organization_features(self, membership: LocalMembership) -> None:
        """CreateMembers applies the organisation's settings to new and old accounts (BC)."""
        region = membership.region
        found = self.state.designation(self.name, region, membership.administrator)
        detector = self.state.installation(self.name, membership.account_id, region)
        if found is not None and detector is not None:
            given = found[1].settings.get("features", {})
            detectors.give_features(detector.settings["features"], given)

    def _start(self, who: Caller, account_id: str) -> str | None:
        return self._monitor(who, account_id, on=True)

    def _stop(self, who: Caller, account_id: str) -> str | None:
        return self._monitor(who, account_id, on=False)

    def _monitor(self, who: Caller, account_id: str, *, on: bool) -> str | None:
        membership = self.find(who.account_id, who.region, account_id)
        if membership is None or membership.current.status not in ASSOCIATED:
            return self.texts.not_member
        if not on and self.kept_by_organization(who, membership):
            return self.texts.auto_enable_all
        self._set_enabled(Caller(account_id, who.region), enabled=on)
        wanted = LocalStatus.ENABLED if on else LocalStatus.DISABLED
        if membership.current.status is not wanted:
            self.become(membership, wanted)
        return None

    def _detector_id(self, who: Caller, account_id: str, change: Change) -> dict[str, Any]:
        detector = self.state.installation(self.name, account_id, who.region)
        if detector is None or change.status not in ASSOCIATED:
            return {}
        return {"DetectorId": detector.id}

    def _create(self, who: Caller, params: dict[str, Any]) -> Installation:
        now = self.state.now()
        detector_id = self.state.hex_id()
        arn = f"arn:aws:guardduty:{who.region}:{who.account_id}:detector/{detector_id}"
        detector = Installation(detector_id, arn, now, now, enabled=params.get("Enable", True))
        detector.tags = dict(params.get("Tags", {}))
        detector.settings = {
            "CreatedAt": now,
            "FindingPublishingFrequency": params.get("FindingPublishingFrequency", "SIX_HOURS"),
            "features": detectors.new_features(params, who.region),
        }
        self.state.install(self.name, who.account_id, who.region, detector)
        return detector

    def _set_enabled(self, who: Caller, *, enabled: bool) -> None:
        detector = self._detector(who)
        if detector.enabled != enabled:
            detector.enabled = enabled
            detector.since = detector.updated_at = self.state.now()
            self.state.account_changed(who.account_id)
