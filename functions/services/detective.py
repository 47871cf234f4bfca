"""Detective. The administrator owns a behavior graph; CreateMembers also invites."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from functions.aws.calls import calling, code_of
from functions.enrolment.automation import auto_enable
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    Conflict,
    ServiceRefused,
)
from functions.enrolment.membership import Answer, Status, Verdict
from functions.enrolment.reason import ReasonCode
from functions.enrolment.text import is_email
from functions.services.answers import (
    ANOTHER_ADMINISTRATOR,
    DONE,
    FAILING,
    ITSELF,
    MANAGEMENT,
    MEMBER_LIMIT,
    SUSPENDED,
    read_error,
)
from functions.services.batches import (
    answers,
    check_size,
    observation,
    observations,
    one_by_one,
    without_usable_email,
)
from functions.services.guardduty import GUARDDUTY
from functions.services.invitations import NO_INVITATION
from functions.services.organization import NOT_DELEGATED, not_delegated
from functions.services.record import MemberNeeds, ServiceRecord
from functions.services.statuses import read_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_detective import DetectiveClient
    from mypy_boto3_detective.type_defs import (
        AccountTypeDef,
        CreateMembersRequestTypeDef,
        ListMembersRequestTypeDef,
        MemberDetailTypeDef,
        UnprocessedAccountTypeDef,
    )

    from functions.enrolment.account import AccountId
    from functions.enrolment.automation import Automation
    from functions.enrolment.configuration import Invitation
    from functions.enrolment.membership import Observation


class Detective:
    """Detective in one Region, called as its administrator. Its resource is the graph's ARN."""

    def __init__(self, client: DetectiveClient, invitation: Invitation) -> None:
        self._client = client
        self._invitation = invitation

    def administrator_resource(self) -> str:
        with calling(DETECTIVE.label, "ListGraphs"):
            graphs = self._client.list_graphs().get("GraphList", [])
        arn = next((graph["Arn"] for graph in graphs if "Arn" in graph), None)
        if arn is None:
            raise self._not_ready()
        return arn

    def observe(self, resource: str, accounts: Sequence[AccountId]) -> tuple[Observation, ...]:
        check_size(accounts)
        with self._calling("GetMembers"):
            response = self._client.get_members(GraphArn=resource, AccountIds=list(accounts))
        members = _read_members(response.get("MemberDetails", []))
        return observations(
            DETECTIVE, accounts, members, _texts(response.get("UnprocessedAccounts", []))
        )

    def members(self, resource: str) -> Iterator[Observation]:
        request: ListMembersRequestTypeDef = {"GraphArn": resource, "MaxResults": 200}
        with self._calling("ListMembers"):
            while True:  # botocore has no paginator here
                page = self._client.list_members(**request)
                yield from _read_members(page.get("MemberDetails", []))
                if not (token := page.get("NextToken")):
                    return
                request["NextToken"] = token

    def automation(
        self, resource: str, accounts: Sequence[AccountId]
    ) -> Mapping[AccountId, Automation]:
        try:
            with self._calling("DescribeOrganizationConfiguration"):
                found = self._client.describe_organization_configuration(GraphArn=resource)
        except AccessDenied as error:
            return dict.fromkeys(accounts, not_delegated(error, NOT_DELEGATED[DETECTIVE.name]))
        enables = "NEW" if found.get("AutoEnable") else "NONE"
        return dict.fromkeys(accounts, auto_enable(enables))

    def create(
        self, resource: str, emails: Mapping[AccountId, str | None]
    ) -> Mapping[AccountId, Answer]:
        check_size(emails)
        unusable = without_usable_email(DETECTIVE, emails, is_email)
        accounts: list[AccountTypeDef] = [
            {"AccountId": account, "EmailAddress": email}
            for account, email in emails.items()
            if email and account not in unusable
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
        return answers(DETECTIVE, emails, texts) | unusable

    def invite(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        raise NotImplementedError("Detective has no call that invites members: creating them does")

    def restart(self, resource: str, accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        def start(account: AccountId) -> None:
            with calling(DETECTIVE.label, "StartMonitoringMember"):
                self._client.start_monitoring_member(GraphArn=resource, AccountId=account)

        given = one_by_one(DETECTIVE, accounts, start)
        # Detective may report an unknown volume as an exceeded quota; the status shows which it is.
        return {
            account: Answer(Verdict.RETRY, answer.text)
            if answer.code is ReasonCode.MEMBER_LIMIT
            else answer
            for account, answer in given.items()
        }

    @contextmanager
    def _calling(self, operation: str) -> Iterator[None]:
        try:
            with calling(DETECTIVE.label, operation):
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

    def __init__(self, client: DetectiveClient) -> None:
        self._client = client

    def accept(self, administrator_id: AccountId) -> Answer:
        ours = self._invitations(administrator_id)
        pending = [invitation for invitation in ours if _status(invitation) is Status.INVITED]
        if not pending:
            return _accepted_before(ours) or NO_INVITATION
        newest = max(pending, key=_invited_at)
        try:
            with calling(DETECTIVE.label, "AcceptInvitation"):
                self._client.accept_invitation(GraphArn=newest["GraphArn"])
        except (ServiceRefused, Conflict) as error:
            # If an acceptance takes effect but returns an error, botocore retries it, and Detective
            # refuses the retry: the graph's invitation is no longer INVITED.
            accepted = _accepted_before(self._invitations(administrator_id))
            return accepted or read_error(DETECTIVE, error)
        return Answer(Verdict.TAKEN)

    def _invitations(self, administrator_id: AccountId) -> list[MemberDetailTypeDef]:
        """Open and accepted invitations of one administrator; botocore has no paginator here."""
        with calling(DETECTIVE.label, "ListInvitations"):
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
    return read_status(DETECTIVE, invitation.get("Status", ""))


def _invited_at(invitation: MemberDetailTypeDef) -> float:
    return invitation["InvitedTime"].timestamp() if "InvitedTime" in invitation else 0.0


def _accepted_before(invitations: Iterable[MemberDetailTypeDef]) -> Answer | None:
    accepted = (Status.ENABLED, Status.ACCEPTED_BUT_DISABLED)
    if any(_status(invitation) in accepted for invitation in invitations):
        return Answer(Verdict.BENIGN, "the invitation was accepted before")
    return None


def _read_members(members: Iterable[MemberDetailTypeDef]) -> Iterator[Observation]:
    for member in members:
        if "AccountId" in member:
            status, detail = member.get("Status", ""), member.get("DisabledReason")
            yield observation(DETECTIVE, member["AccountId"], status, detail)


def _texts(unprocessed: Iterable[UnprocessedAccountTypeDef]) -> dict[str, str]:
    return {
        account["AccountId"]: account.get("Reason", "")
        for account in unprocessed
        if "AccountId" in account
    }


DETECTIVE = ServiceRecord(
    name="detective",
    label="Detective",
    create_invites=True,
    restarts=frozenset({Status.ACCEPTED_BUT_DISABLED}),
    # Detective checks GuardDuty's data volume.
    comes_after=GUARDDUTY,
    # botocore 1.44.5, get_available_regions
    not_offered=frozenset(
        {
            *("ap-east-2", "ap-northeast-3", "ap-south-2", "ap-southeast-3", "ap-southeast-4"),
            *("ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2"),
            *("eu-south-2", "me-central-1", "mx-central-1", "cn-north-1", "cn-northwest-1"),
        }
    ),
    removal="DeleteMembers",
    principal="detective.amazonaws.com",
    adapter=lambda client, invitation, _: Detective(client, invitation),
    invitee=lambda client, _: DetectiveInvitee(client),
    # botocore 1.44.5, MemberStatus
    statuses={
        "INVITED": Status.INVITED,
        "VERIFICATION_IN_PROGRESS": Status.VERIFYING,
        "VERIFICATION_FAILED": Status.VERIFICATION_FAILED,
        "ENABLED": Status.ENABLED,
        "ACCEPTED_BUT_DISABLED": Status.ACCEPTED_BUT_DISABLED,
    },
    texts=(
        *MANAGEMENT,
        *ANOTHER_ADMINISTRATOR,
        *ITSELF,
        *SUSPENDED,
        ("servicequotaexceeded", MEMBER_LIMIT),
        ("account is already a member", DONE),
        # CreateMembers leaves out "accounts that were already invited" (botocore); the texts are
        # inferred.
        ("already invited", DONE),
        ("already been invited", DONE),
        *FAILING,
    ),
    permissions={
        "observe": ("detective:ListGraphs", "detective:GetMembers"),
        "list": ("detective:ListGraphs", "detective:ListMembers"),
        "automation": ("detective:DescribeOrganizationConfiguration",),
        "create": ("detective:CreateMembers",),
        "invite": (),
        "restart": ("detective:StartMonitoringMember",),
    },
    # The graph is the administrator's for members, too.
    resources=dict.fromkeys(
        (
            "detective:AcceptInvitation",
            "detective:CreateMembers",
            "detective:DescribeOrganizationConfiguration",
            "detective:GetMembers",
            "detective:ListMembers",
            "detective:StartMonitoringMember",
        ),
        "arn:{partition}:detective:*:{administrator}:graph:*",
    ),
    accepting=lambda _: MemberNeeds(("detective:ListInvitations", "detective:AcceptInvitation")),
)
