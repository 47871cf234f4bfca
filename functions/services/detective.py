"""Detective. The administrator owns a behavior graph; CreateMembers also invites."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from functions.aws.calls import calling, code_of
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    Conflict,
    RollcallError,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)
from functions.enrolment.membership import Answer, Status, Verdict
from functions.enrolment.reason import ReasonCode
from functions.enrolment.target import ServiceName, Traits
from functions.services.answers import read_error
from functions.services.batches import answers, check_size, observations, without_usable_email
from functions.services.invitations import NO_INVITATION
from functions.services.statuses import read_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_detective import DetectiveClient
    from mypy_boto3_detective.type_defs import (
        AccountTypeDef,
        CreateMembersRequestTypeDef,
        MemberDetailTypeDef,
        UnprocessedAccountTypeDef,
    )

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Invitation
    from functions.enrolment.membership import Observation

SERVICE = ServiceName.DETECTIVE

# The model's pattern: one address that does not match makes Detective refuse the whole call.
_EMAIL = re.compile(r".+@(?:(?:(?!-)[A-Za-z0-9-]{1,62})?[A-Za-z0-9]\.)+[A-Za-z]{2,63}")


class Detective:
    """Detective in one Region, called as its administrator. Its resource is the graph's ARN."""

    name = SERVICE
    traits = Traits(
        create_invites=True,
        restarts=frozenset({Status.ACCEPTED_BUT_DISABLED}),
    )
    ACTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "observe": ("detective:ListGraphs", "detective:GetMembers"),
        "create": ("detective:CreateMembers",),
        "invite": (),
        "restart": ("detective:StartMonitoringMember",),
    }

    def __init__(self, client: DetectiveClient, invitation: Invitation) -> None:
        self._client = client
        self._invitation = invitation

    def administrator_resource(self) -> str:
        with calling(SERVICE.label, "ListGraphs"):
            graphs = self._client.list_graphs().get("GraphList", [])
        arn = next((graph["Arn"] for graph in graphs if "Arn" in graph), None)
        if arn is None:
            raise self._not_ready()
        return arn

    def observe(self, resource: str, accounts: Sequence[AccountId]) -> tuple[Observation, ...]:
        check_size(accounts)
        with self._calling("GetMembers"):
            response = self._client.get_members(GraphArn=resource, AccountIds=list(accounts))
        members = {
            member["AccountId"]: (member.get("Status", ""), member.get("DisabledReason"))
            for member in response.get("MemberDetails", [])
            if "AccountId" in member
        }
        return observations(
            SERVICE, accounts, members, _texts(response.get("UnprocessedAccounts", []))
        )

    def create(
        self, resource: str, emails: Mapping[AccountId, str | None]
    ) -> Mapping[AccountId, Answer]:
        check_size(emails)
        unusable = without_usable_email(SERVICE, emails, _EMAIL)
        accounts: list[AccountTypeDef] = [
            {"AccountId": account, "EmailAddress": email or ""}
            for account, email in emails.items()
            if account not in unusable
        ]
        if not accounts:
            return unusable
        request: CreateMembersRequestTypeDef = {
            "GraphArn": resource,
            "Accounts": accounts,
            "DisableEmailNotification": not self._invitation.send_email,
        }
        if self._invitation.message:
            request["Message"] = self._invitation.message
        with self._calling("CreateMembers"):
            response = self._client.create_members(**request)
        texts = _texts(response.get("UnprocessedAccounts", []))
        return answers(SERVICE, emails, texts) | unusable

    def invite(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        raise NotImplementedError("Detective has no call that invites members: creating them does")

    def restart(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        """One call an account; an error on the first that no other account could escape raises."""
        check_size(accounts)
        given: dict[AccountId, Answer] = {}
        for account in accounts:
            try:
                with calling(SERVICE.label, "StartMonitoringMember"):
                    self._client.start_monitoring_member(GraphArn=resource, AccountId=account)
            except Throttled as error:
                if not given:
                    raise
                rest = Answer(Verdict.RETRY, str(error))
                return given | {left: rest for left in accounts if left not in given}
            except (ServiceUnavailable, AccessDenied) as error:
                if not given:
                    raise
                given[account] = read_error(SERVICE, error)
            except RollcallError as error:
                answer = read_error(SERVICE, error)
                # A volume that is not known yet may be called a quota; the status says what is so.
                quota = answer.code is ReasonCode.MEMBER_LIMIT
                given[account] = Answer(Verdict.RETRY, answer.text) if quota else answer
            else:
                given[account] = Answer(Verdict.TAKEN)
        return given

    @contextmanager
    def _calling(self, operation: str) -> Iterator[None]:
        try:
            with calling(SERVICE.label, operation):
                yield
        except ServiceRefused as error:
            if code_of(error) == "ResourceNotFoundException":
                raise self._not_ready() from error
            raise

    def _not_ready(self) -> AdministratorNotReady:
        return AdministratorNotReady(
            f"Detective has no behavior graph in {self._client.meta.region_name} of the "
            "administrator account: call detective CreateGraph there, or detective "
            "EnableOrganizationAdminAccount from the management account"
        )


class DetectiveInvitee:
    """Detective in one Region, called as a member account."""

    ACTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "accept": ("detective:ListInvitations", "detective:AcceptInvitation"),
    }

    def __init__(self, client: DetectiveClient) -> None:
        self._client = client

    def accept(self, administrator_id: AccountId) -> Answer:
        ours = self._invitations(administrator_id)
        open_ones = [invitation for invitation in ours if _status(invitation) is Status.INVITED]
        if not open_ones:
            return _accepted_before(ours) or NO_INVITATION
        newest = max(open_ones, key=_invited_at)
        try:
            with calling(SERVICE.label, "AcceptInvitation"):
                self._client.accept_invitation(GraphArn=newest["GraphArn"])
        except (ServiceRefused, Conflict) as error:
            # An acceptance that took effect but was answered with an error is repeated by botocore
            # and then refused: the graph's invitation is no longer INVITED.
            accepted = _accepted_before(self._invitations(administrator_id))
            return accepted or read_error(SERVICE, error)
        return Answer(Verdict.TAKEN)

    def _invitations(self, administrator_id: AccountId) -> list[MemberDetailTypeDef]:
        """Open and accepted invitations of one administrator; botocore has no paginator here."""
        with calling(SERVICE.label, "ListInvitations"):
            page = self._client.list_invitations()
            found = list(page.get("Invitations", []))
            while token := page.get("NextToken"):
                page = self._client.list_invitations(NextToken=token)
                found.extend(page.get("Invitations", []))
        return [
            invitation
            for invitation in found
            if invitation.get("AdministratorId") == administrator_id and "GraphArn" in invitation
        ]


def _status(invitation: MemberDetailTypeDef) -> Status:
    return read_status(SERVICE, invitation.get("Status", ""))


def _invited_at(invitation: MemberDetailTypeDef) -> float:
    return invitation["InvitedTime"].timestamp() if "InvitedTime" in invitation else 0.0


def _accepted_before(invitations: Iterable[MemberDetailTypeDef]) -> Answer | None:
    accepted = (Status.ENABLED, Status.ACCEPTED_BUT_DISABLED)
    if any(_status(invitation) in accepted for invitation in invitations):
        return Answer(Verdict.BENIGN, "the invitation was accepted before")
    return None


def _texts(unprocessed: Iterable[UnprocessedAccountTypeDef]) -> dict[str, str]:
    return {
        account["AccountId"]: account.get("Reason", "")
        for account in unprocessed
        if "AccountId" in account
    }
