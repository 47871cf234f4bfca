"""The events that start a run: the pattern that matches each, and where its account's id is.

Rules and intake use the same patterns. CloudTrail events are accepted with both of CloudTrail's
detail-types: AWS does not document which one AccountJoinedOrganization has, and a rule with the
wrong one never matches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import InvalidInput
from functions.enrolment.scope import an_account_id
from functions.intake.joined import joined_account
from functions.intake.pattern import ABSENT, at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from functions.enrolment.account import AccountId

CLOUDTRAIL = ("AWS Service Event via CloudTrail", "AWS API Call via CloudTrail")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One kind of event. ``name`` is its ``eventName``, or its detail-type if not from CloudTrail.

    ``says`` is what its detail must match, in EventBridge pattern syntax; ``account`` reads the
    account's id from the event or raises InvalidInput; ``region`` is the path of the Region if the
    event is about a single one; ``moves``: the account only moved, which is relevant only to a
    scope with paths. CloudTrail events have an ``event_source``.
    """

    name: str
    source: str
    says: Mapping[str, Any]
    account: Callable[[Mapping[str, Any]], AccountId]
    event_source: str | None = None
    region: str | None = None
    moves: bool = False

    @property
    def detail_types(self) -> tuple[str, ...]:
        """The detail-types it may have."""
        return CLOUDTRAIL if self.event_source else (self.name,)

    @property
    def pattern(self) -> dict[str, Any]:
        """The event pattern that matches only this event."""
        trail = {
            "eventSource": [self.event_source],
            "eventName": [self.name],
            "errorCode": [ABSENT],
        }
        return {
            "source": [self.source],
            "detail-type": list(self.detail_types),
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


def _organizations(
    name: str, says: Mapping[str, Any], account: Callable[[Mapping[str, Any]], AccountId]
) -> Arrival:
    return Arrival(name, "aws.organizations", says, account, "organizations.amazonaws.com")


def _control_tower(name: str, status: str) -> Arrival:
    return Arrival(
        name,
        "aws.controltower",
        {"serviceEventDetails": {status: {"state": ["SUCCEEDED"]}}},
        _id_at(f"detail.serviceEventDetails.{status}.account.accountId"),
        "controltower.amazonaws.com",
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
        _organizations("AccountJoinedOrganization", {}, joined_account),
        replace(
            _organizations("MoveAccount", {}, _id_at("detail.requestParameters.accountId")),
            moves=True,
        ),
        _control_tower("CreateManagedAccount", "createManagedAccountStatus"),
        _control_tower("UpdateManagedAccount", "updateManagedAccountStatus"),
        Arrival(
            "Region Opt-In Status Change",
            "aws.account",
            {"status": ["ENABLED"]},
            _id_at("detail.accountId"),
            region="detail.regionName",
        ),
    )
}
