"""The events that start a run: the pattern that matches each, and where its account's id is.

Rules and intake use the same patterns. CloudTrail events are accepted with both of CloudTrail's
detail-types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import InvalidInput
from functions.enrolment.scope import an_account_id
from functions.intake.joined import joined_account
from functions.intake.pattern import ABSENT, at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from functions.enrolment.account import AccountId

# What Control Tower calls a target that is an account, not an organizational unit ("…:ou/…"). AWS
# refuses patterns with many wildcards, so the rest is left to the intake.
_AN_ACCOUNT = "*:account/o-*"
_ACCOUNT_ARN = re.compile(
    r"arn:[a-z-]+:organizations::\d{12}:account/o-[a-z0-9]{10,32}/(\d{12})", re.ASCII
)
CLOUDTRAIL = ("AWS Service Event via CloudTrail", "AWS API Call via CloudTrail")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One kind of event. ``name`` is its ``eventName``, or its detail-type if not from CloudTrail.

    ``says`` is what its detail must match, in EventBridge pattern syntax; ``account`` reads the
    account's id from the event or raises InvalidInput; ``region`` is the path of the Region if the
    event is about a single one; ``moves``: the account only moved, which is relevant only to a
    scope with paths. CloudTrail events have an ``event_source``; ``documented`` is whether AWS
    documents it and the detail-type, without which a pattern has neither: a rule with a wrong one
    never matches.
    """

    name: str
    source: str
    says: Mapping[str, Any]
    account: Callable[[Mapping[str, Any]], AccountId]
    event_source: str | None = None
    region: str | None = None
    moves: bool = False
    documented: bool = True

    @property
    def by_caller(self) -> bool:
        """Whether AWS publishes it in the account that makes the call, not in the management
        account.

        Account Management reference guide, "Monitoring with EventBridge". Inferred: then the field
        ``account`` of the event is that account, as EventBridge documents it for every event.
        """
        return self.event_source is None

    @property
    def pattern(self) -> dict[str, Any]:
        """The event pattern that matches only this event."""
        trail = {"eventName": [self.name], "errorCode": [ABSENT]}
        if not self.documented:
            return {"source": [self.source], "detail": {**trail, **self.says}}
        trail = {"eventSource": [self.event_source], **trail}
        return {
            "source": [self.source],
            "detail-type": list(CLOUDTRAIL) if self.event_source else [self.name],
            "detail": {**(trail if self.event_source else {}), **self.says},
        }


def _id_at(path: str) -> Callable[[Mapping[str, Any]], AccountId]:
    return lambda event: an_account_id(at(event, path), path)


def _invited_account(event: Mapping[str, Any]) -> AccountId:
    """The id of the party that is an account; the other is an organisation (``HandshakeParty``)."""
    path = "detail.responseElements.handshake.parties"
    parties = at(event, path)
    ids = [
        party.get("id")
        for party in (parties if isinstance(parties, list) else ())
        if isinstance(party, dict) and party.get("type") == "ACCOUNT"
    ]
    if len(ids) != 1:
        raise InvalidInput(path, "takes exactly one party of type ACCOUNT")
    return an_account_id(ids[0], f"{path}[ACCOUNT].id")


def _target_account(path: str) -> Callable[[Mapping[str, Any]], AccountId]:
    """Reads the id from the ARN of an account of the organisation."""

    def read(event: Mapping[str, Any]) -> AccountId:
        arn = at(event, path)
        found = _ACCOUNT_ARN.fullmatch(arn) if isinstance(arn, str) else None
        if found is None:
            raise InvalidInput(path, "takes the ARN of an account of the organisation")
        return an_account_id(found[1], path)

    return read


def _organizations(
    name: str, says: Mapping[str, Any], account: Callable[[Mapping[str, Any]], AccountId]
) -> Arrival:
    return Arrival(name, "aws.organizations", says, account, "organizations.amazonaws.com")


def _control_tower(
    name: str, says: Mapping[str, Any], account: Callable[[Mapping[str, Any]], AccountId]
) -> Arrival:
    says = {"serviceEventDetails": says}
    return Arrival(name, "aws.controltower", says, account, "controltower.amazonaws.com")


def _managed_account(name: str, status: str) -> Arrival:
    path = f"detail.serviceEventDetails.{status}.account.accountId"
    return _control_tower(name, {status: {"state": ["SUCCEEDED"]}}, _id_at(path))


def _enabled_baseline() -> Arrival:
    """A baseline is enabled on an account, which Control Tower governs from then on.

    An event about an organizational unit is not matched: AWS documents the event as one about a
    "target member account under an OU". Inferred: also accounts that are enrolled because they were
    moved cause it.
    """
    path = "enableBaselineStatus.enabledBaselineDetails.targetIdentifier"
    details = {
        "targetIdentifier": [{"wildcard": _AN_ACCOUNT}],
        "statusSummary": {"status": ["SUCCEEDED"]},
    }
    return _control_tower(
        "EnableBaseline",
        {"enableBaselineStatus": {"enabledBaselineDetails": details}},
        _target_account(f"detail.serviceEventDetails.{path}"),
    )


ARRIVALS: Mapping[str, Arrival] = {
    arrival.name: arrival
    for arrival in (
        _organizations(
            "CreateAccountResult",
            {"serviceEventDetails": {"createAccountStatus": {"state": ["SUCCEEDED"]}}},
            _id_at("detail.serviceEventDetails.createAccountStatus.accountId"),
        ),
        _organizations(
            "AcceptHandshake",
            {"responseElements": {"handshake": {"action": ["INVITE"], "state": ["ACCEPTED"]}}},
            _invited_account,
        ),
        # No record of it is published. Its source follows from eventSource (EventBridge user
        # guide), so that requiring both would only add a second inferred value.
        replace(_organizations("AccountJoinedOrganization", {}, joined_account), documented=False),
        replace(
            _organizations("MoveAccount", {}, _id_at("detail.requestParameters.accountId")),
            moves=True,
        ),
        _managed_account("CreateManagedAccount", "createManagedAccountStatus"),
        _managed_account("UpdateManagedAccount", "updateManagedAccountStatus"),
        _enabled_baseline(),
        Arrival(
            "Region Opt-In Status Change",
            "aws.account",
            {"status": ["ENABLED"]},
            _id_at("detail.accountId"),
            region="detail.regionName",
        ),
    )
}
