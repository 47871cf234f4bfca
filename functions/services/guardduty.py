"""GuardDuty. Administrator and members each have one detector per Region."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from functions.aws.calls import calling
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    Conflict,
    ServiceRefused,
)
from functions.enrolment.membership import Answer, Status, Verdict
from functions.enrolment.target import ServiceName, Traits
from functions.services.batches import answers, check_size, observations, without_usable_email
from functions.services.invitations import (
    NO_INVITATION,
    after_refusal,
    newest_invitation,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_guardduty import GuardDutyClient
    from mypy_boto3_guardduty.type_defs import (
        AccountDetailTypeDef,
        InviteMembersRequestTypeDef,
        UnprocessedAccountTypeDef,
    )

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Invitation
    from functions.enrolment.membership import Observation

SERVICE = ServiceName.GUARDDUTY

# The model only says that an address has 1 to 64 characters.
_EMAIL = re.compile(r".+")

# BadRequestException texts about a detector that is gone, or never was ours.
_NO_DETECTOR = ("not owned by the current account", "no such resource found")


class GuardDuty:
    """GuardDuty in one Region, called as its administrator. Its resource is the detector's id."""

    name = SERVICE
    traits = Traits(create_invites=False, restarts=frozenset({Status.DISABLED}))
    ACTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "observe": ("guardduty:ListDetectors", "guardduty:GetMembers"),
        "create": ("guardduty:CreateMembers",),
        "invite": ("guardduty:InviteMembers",),
        "restart": ("guardduty:StartMonitoringMembers",),
    }

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
        members = {
            member["AccountId"]: (member.get("RelationshipStatus", ""), None)
            for member in response.get("Members", [])
        }
        return observations(
            SERVICE, accounts, members, _texts(response.get("UnprocessedAccounts", []))
        )

    def create(
        self, resource: str, emails: Mapping[AccountId, str | None]
    ) -> Mapping[AccountId, Answer]:
        check_size(emails)
        unusable = without_usable_email(SERVICE, emails, _EMAIL)
        details: list[AccountDetailTypeDef] = [
            {"AccountId": account, "Email": email or ""}
            for account, email in emails.items()
            if account not in unusable
        ]
        if not details:
            return unusable
        with self._calling("CreateMembers"):
            response = self._client.create_members(DetectorId=resource, AccountDetails=details)
        return answers(SERVICE, emails, _texts(response.get("UnprocessedAccounts", []))) | unusable

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
        return answers(SERVICE, accounts, _texts(response.get("UnprocessedAccounts", [])))

    def restart(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        check_size(accounts)
        with self._calling("StartMonitoringMembers"):
            response = self._client.start_monitoring_members(
                DetectorId=resource, AccountIds=list(accounts)
            )
        return answers(SERVICE, accounts, _texts(response.get("UnprocessedAccounts", [])))

    @contextmanager
    def _calling(self, operation: str) -> Iterator[None]:
        try:
            with calling(SERVICE.label, operation):
                yield
        except ServiceRefused as error:
            if any(text in str(error) for text in _NO_DETECTOR):
                raise self._not_ready() from error
            raise

    def _not_ready(self) -> AdministratorNotReady:
        return AdministratorNotReady(
            f"GuardDuty has no detector in {self._client.meta.region_name} of the administrator "
            "account: call guardduty CreateDetector there"
        )


class GuardDutyInvitee:
    """GuardDuty in one Region, called as a member account.

    A detector is created once an invitation of ours is there to be accepted with it.
    """

    ACTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "accept": (
            "guardduty:ListInvitations",
            "guardduty:CreateDetector",
            "guardduty:ListDetectors",
            "guardduty:AcceptAdministratorInvitation",
            "guardduty:GetAdministratorAccount",
        ),
    }

    def __init__(self, client: GuardDutyClient) -> None:
        self._client = client

    def accept(self, administrator_id: AccountId) -> Answer:
        invitation_id = self._newest_invitation(administrator_id)
        if invitation_id is None:
            return NO_INVITATION
        detector_id = self._own_detector()
        try:
            with calling(SERVICE.label, "AcceptAdministratorInvitation"):
                self._client.accept_administrator_invitation(
                    DetectorId=detector_id,
                    AdministratorId=administrator_id,
                    InvitationId=invitation_id,
                )
        except (ServiceRefused, Conflict, AccessDenied) as error:
            return after_refusal(
                SERVICE, error, administrator_id, lambda: self._administrator(detector_id)
            )
        return Answer(Verdict.TAKEN)

    def _newest_invitation(self, administrator_id: AccountId) -> str | None:
        with calling(SERVICE.label, "ListInvitations"):
            pages = self._client.get_paginator("list_invitations").paginate()
            found = (invitation for page in pages for invitation in page.get("Invitations", []))
            return newest_invitation(found, administrator_id)

    def _administrator(self, detector_id: str) -> tuple[str, str]:
        with calling(SERVICE.label, "GetAdministratorAccount"):
            response = self._client.get_administrator_account(DetectorId=detector_id)
        # An account without an administrator is answered with 200 and no content (botocore).
        administrator = response.get("Administrator") or {}
        return administrator.get("AccountId", ""), administrator.get("RelationshipStatus", "")

    def _own_detector(self) -> str:
        """A new detector, or the one that is there, as it is.

        An account has at most one (botocore): CreateDetector refuses to make another. Most accounts
        to be invited have none: looking first would be a call too many.
        """
        try:
            with calling(SERVICE.label, "CreateDetector"):
                return self._client.create_detector(Enable=True)["DetectorId"]
        except (ServiceRefused, Conflict, AccessDenied):
            present = _detector(self._client)
            if present is None:
                raise
            return present


def _detector(client: GuardDutyClient) -> str | None:
    """The caller's detector; an account has at most one per Region."""
    with calling(SERVICE.label, "ListDetectors"):
        pages = client.get_paginator("list_detectors").paginate()
        return next((detector for page in pages for detector in page.get("DetectorIds", [])), None)


def _texts(unprocessed: Iterable[UnprocessedAccountTypeDef]) -> dict[str, str]:
    return {account["AccountId"]: account["Result"] for account in unprocessed}
