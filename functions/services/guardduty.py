"""GuardDuty. Administrator and members each have one detector per Region."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from functions.aws.calls import calling
from functions.enrolment.automation import auto_enable
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    Conflict,
    ServiceRefused,
)
from functions.enrolment.membership import Answer, Status, Verdict
from functions.enrolment.protection import DETECTOR_FEATURES
from functions.services.answers import HUB_AND_DETECTOR
from functions.services.batches import (
    answers,
    check_size,
    observation,
    observations,
    without_usable_email,
)
from functions.services.invitations import (
    NO_INVITATION,
    after_refusal,
    newest_invitation,
)
from functions.services.organization import NOT_DELEGATED, not_delegated
from functions.services.record import MemberNeeds, ServiceRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_guardduty import GuardDutyClient
    from mypy_boto3_guardduty.type_defs import (
        AccountDetailTypeDef,
        DetectorFeatureConfigurationTypeDef,
        InviteMembersRequestTypeDef,
        MemberTypeDef,
        UnprocessedAccountTypeDef,
    )

    from functions.enrolment.account import AccountId
    from functions.enrolment.automation import Automation
    from functions.enrolment.configuration import Invitation
    from functions.enrolment.membership import Observation

# The features that a new detector has only if they are asked for: RUNTIME_MONITORING by botocore's
# CreateDetector, AI_ANALYST by the user guide ("guardduty-investigation"). EKS_RUNTIME_MONITORING,
# which must not be in a request together with RUNTIME_MONITORING, is inferred.
_OFF_UNLESS_ASKED_FOR = {"EKS_RUNTIME_MONITORING", "RUNTIME_MONITORING", "AI_ANALYST"}

# The Regions without a feature (user guide, "guardduty_regions"), and the only ones with one
# ("guardduty-investigation"), in autumn 2026. Botocore knows nothing of them.
_NOT_OFFERED = {"RDS_LOGIN_EVENTS": {"ap-east-2"}}
_OFFERED_ONLY = {
    "AI_ANALYST": {
        *("us-east-1", "us-east-2", "us-west-2", "ca-central-1", "eu-central-1"),
        *("eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "ap-northeast-1"),
    }
}

# Texts of BadRequestException for a detector that was deleted or is not ours.
NO_DETECTOR = ("not owned by the current account", "no such resource found")


class GuardDuty:
    """GuardDuty in one Region, called as its administrator. Its resource is the detector's id."""

    def __init__(self, client: GuardDutyClient, invitation: Invitation) -> None:
        self._client = client
        self._invitation = invitation

    def administrator_resource(self) -> str:
        detector_id = _detector(self._client)
        if detector_id is None:
            raise self._not_ready()
        return detector_id

    def observe(self, resource: str, accounts: Sequence[AccountId]) -> tuple[Observation, ...]:
        check_size(accounts)
        with self._calling("GetMembers"):
            response = self._client.get_members(DetectorId=resource, AccountIds=list(accounts))
        members = _read_members(response.get("Members", []))
        return observations(GUARDDUTY, accounts, members, _unprocessed(response))

    def members(self, resource: str) -> Iterator[Observation]:
        # A string; what GuardDuty lists without it is not documented.
        pages = self._client.get_paginator("list_members").paginate(
            DetectorId=resource, OnlyAssociated="false", PaginationConfig={"PageSize": 50}
        )
        with self._calling("ListMembers"):
            for page in pages:
                yield from _read_members(page.get("Members", []))

    def automation(
        self, resource: str, accounts: Sequence[AccountId]
    ) -> Mapping[AccountId, Automation]:
        try:
            with self._calling("DescribeOrganizationConfiguration"):
                found = self._client.describe_organization_configuration(DetectorId=resource)
        except ServiceRefused as error:
            return dict.fromkeys(accounts, not_delegated(error, NOT_DELEGATED[GUARDDUTY.name]))
        enables = "NEW" if found.get("AutoEnable") else "NONE"
        return dict.fromkeys(
            accounts, auto_enable(found.get("AutoEnableOrganizationMembers", enables))
        )

    def create(
        self, resource: str, emails: Mapping[AccountId, str | None]
    ) -> Mapping[AccountId, Answer]:
        check_size(emails)
        unusable = without_usable_email(GUARDDUTY, emails)
        details: list[AccountDetailTypeDef] = [
            {"AccountId": account, "Email": email}
            for account, email in emails.items()
            if email and account not in unusable
        ]
        if not details:
            return unusable
        with self._calling("CreateMembers"):
            response = self._client.create_members(DetectorId=resource, AccountDetails=details)
        return answers(GUARDDUTY, emails, _unprocessed(response)) | unusable

    def invite(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        check_size(accounts)
        request: InviteMembersRequestTypeDef = {
            "DetectorId": resource,
            "AccountIds": list(accounts),
            "DisableEmailNotification": not self._invitation.send_email,
        }
        if self._invitation.message:
            request["Message"] = self._invitation.message
        with self._calling("InviteMembers"):
            response = self._client.invite_members(**request)
        return answers(GUARDDUTY, accounts, _unprocessed(response))

    def restart(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        check_size(accounts)
        with self._calling("StartMonitoringMembers"):
            response = self._client.start_monitoring_members(
                DetectorId=resource, AccountIds=list(accounts)
            )
        return answers(GUARDDUTY, accounts, _unprocessed(response))

    @contextmanager
    def _calling(self, operation: str) -> Iterator[None]:
        try:
            with calling(GUARDDUTY.label, operation):
                yield
        except ServiceRefused as error:
            if any(text in str(error) for text in NO_DETECTOR):
                raise self._not_ready() from error
            raise

    def _not_ready(self) -> AdministratorNotReady:
        return AdministratorNotReady(
            f"GuardDuty has no detector in {self._client.meta.region_name} of the administrator "
            "account: call guardduty CreateDetector there"
        )


class GuardDutyInvitee:
    """GuardDuty in one Region, called as a member account.

    A detector is created only if there is an invitation from our administrator to accept. It gets
    its features in the call that creates it, so that none is left with others; one that exists is
    never changed.
    """

    def __init__(self, client: GuardDutyClient, invitation: Invitation) -> None:
        self._client = client
        self._features = invitation.detector_features

    def accept(self, administrator_id: AccountId) -> Answer:
        invitation_id = self._newest_invitation(administrator_id)
        if invitation_id is None:
            return NO_INVITATION
        detector_id = self._own_detector()
        try:
            with calling(GUARDDUTY.label, "AcceptAdministratorInvitation"):
                self._client.accept_administrator_invitation(
                    DetectorId=detector_id,
                    AdministratorId=administrator_id,
                    InvitationId=invitation_id,
                )
        except (ServiceRefused, Conflict, AccessDenied) as error:
            return after_refusal(
                GUARDDUTY, error, administrator_id, lambda: self._administrator(detector_id)
            )
        return Answer(Verdict.TAKEN)

    def _newest_invitation(self, administrator_id: AccountId) -> str | None:
        with calling(GUARDDUTY.label, "ListInvitations"):
            pages = self._client.get_paginator("list_invitations").paginate()
            found = (invitation for page in pages for invitation in page.get("Invitations", []))
            return newest_invitation(found, administrator_id)

    def _administrator(self, detector_id: str) -> tuple[str | None, str]:
        with calling(GUARDDUTY.label, "GetAdministratorAccount"):
            response = self._client.get_administrator_account(DetectorId=detector_id)
        # For an account without an administrator, the response is 200 without content (botocore).
        administrator = response.get("Administrator") or {}
        return administrator.get("AccountId"), administrator.get("RelationshipStatus", "")

    def _own_detector(self) -> str:
        """A new detector, or the existing one, unchanged.

        An account has at most one (botocore): CreateDetector refuses to create another. Most
        invited accounts have none, so that listing first would be an unnecessary call.
        """
        try:
            return self._create_detector()
        except (ServiceRefused, Conflict, AccessDenied) as error:
            existing = _detector(self._client)
            if existing is not None:
                return existing
            if self._features is None or not isinstance(error, ServiceRefused):
                raise
            # Inferred: it has refused a feature that is not known to be missing in the Region. What
            # the request does not name may be enabled by default, so that no detector is created.
            raise ServiceRefused(
                f"{error} (does {self._client.meta.region_name} offer all features that"
                " invitation.detector_features enables or disables?)"
            ) from error

    def _create_detector(self) -> str:
        """A new detector; the features that the Region is known not to offer may be left out.

        They are left out only after a refusal, as Regions may offer them by now.
        """
        if self._features is None:
            with calling(GUARDDUTY.label, "CreateDetector"):
                return self._client.create_detector(Enable=True)["DetectorId"]
        features = _each_feature(self._features)
        offered = [one for one in features if self._may_offer(one["Name"])]
        try:
            return self._create_with(features)
        except ServiceRefused:
            if offered == features:
                raise
        return self._create_with(offered)

    def _create_with(self, features: Sequence[DetectorFeatureConfigurationTypeDef]) -> str:
        with calling(GUARDDUTY.label, "CreateDetector"):
            return self._client.create_detector(Enable=True, Features=features)["DetectorId"]

    def _may_offer(self, name: str) -> bool:
        region = self._client.meta.region_name
        only = _OFFERED_ONLY.get(name)
        return region not in _NOT_OFFERED.get(name, ()) and (only is None or region in only)


def _detector(client: GuardDutyClient) -> str | None:
    """The caller's detector; an account has at most one per Region."""
    with calling(GUARDDUTY.label, "ListDetectors"):
        pages = client.get_paginator("list_detectors").paginate()
        return next((detector for page in pages for detector in page["DetectorIds"]), None)


def _each_feature(enabled: Sequence[str]) -> list[DetectorFeatureConfigurationTypeDef]:
    """These features enabled, and disabled whatever else CreateDetector enables by itself.

    RUNTIME_MONITORING is enabled without its additional configuration: GuardDuty installs and
    updates no agents.
    """
    return [
        {
            "Name": name,  # type: ignore[typeddict-item]  # a test holds the names to the model
            "Status": "ENABLED" if name in enabled else "DISABLED",
        }
        for name in DETECTOR_FEATURES
        if name in enabled or name not in _OFF_UNLESS_ASKED_FOR
    ]


def _needs_of_accepting(invitation: Invitation) -> MemberNeeds:
    features = invitation.detector_features
    scans_volumes = features is None or "EBS_MALWARE_PROTECTION" in features
    return MemberNeeds(
        (
            "guardduty:ListInvitations",
            "guardduty:CreateDetector",
            "guardduty:ListDetectors",
            "guardduty:AcceptAdministratorInvitation",
            "guardduty:GetAdministratorAccount",
        ),
        (
            "guardduty.amazonaws.com",
            # User guide, "slr-permissions-malware-protection"
            *(("malware-protection.guardduty.amazonaws.com",) if scans_volumes else ()),
        ),
    )


def _read_members(members: Iterable[MemberTypeDef]) -> Iterator[Observation]:
    for member in members:
        yield observation(GUARDDUTY, member["AccountId"], member["RelationshipStatus"])


def _unprocessed(response: Mapping[str, Any]) -> dict[str, str]:
    """The text about each unprocessed account; the model requires the list, also an empty one."""
    unprocessed: Iterable[UnprocessedAccountTypeDef] = response.get("UnprocessedAccounts", [])
    return {account["AccountId"]: account["Result"] for account in unprocessed}


GUARDDUTY = ServiceRecord(
    name="guardduty",
    label="GuardDuty",
    restarts=frozenset({Status.DISABLED}),
    principal="guardduty.amazonaws.com",
    adapter=lambda client, invitation, _: GuardDuty(client, invitation),
    invitee=GuardDutyInvitee,
    # GuardDuty user guide, "administrator and member relationships": botocore's model has no enum.
    statuses={
        "Created": Status.CREATED,
        "Invited": Status.INVITED,
        "EmailVerificationInProgress": Status.VERIFYING,
        "EmailVerificationFailed": Status.VERIFICATION_FAILED,
        "Enabled": Status.ENABLED,
        "Disabled": Status.DISABLED,
        "Removed": Status.REMOVED,
        "Resigned": Status.RESIGNED,
        "Deleted": Status.DELETED,
        "RegionDisabled": Status.REGION_DISABLED,
        "AccountSuspended": Status.ACCOUNT_SUSPENDED,
        "CannotCreateDetectorInOrganizationMasterAccount": Status.MANAGEMENT_NOT_ENABLED,
        # Inspector's spelling.
        "CannotCreateDetectorInOrgMaster": Status.MANAGEMENT_NOT_ENABLED,
    },
    texts=HUB_AND_DETECTOR,
    permissions={
        "observe": ("guardduty:ListDetectors", "guardduty:GetMembers"),
        "list": ("guardduty:ListDetectors", "guardduty:ListMembers"),
        "automation": ("guardduty:DescribeOrganizationConfiguration",),
        "create": ("guardduty:CreateMembers",),
        "invite": ("guardduty:InviteMembers",),
        "restart": ("guardduty:StartMonitoringMembers",),
    },
    accepting=_needs_of_accepting,
    # User guide, "guardduty-organization-policies": enabling the type is enough, without a policy.
    policy_type="GUARDDUTY_POLICY",
    policy_stops_auto_enable=True,
)
