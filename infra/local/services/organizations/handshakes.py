"""Organizations: inviting accounts that exist, and their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.api import Caller, Operation, ServiceError
from infra.local.facts.organization import Handshake
from infra.local.services.organizations import events
from infra.local.services.organizations.view import denied
from infra.local.wire.paging import when

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.facts.state import State
    from infra.local.services.organizations.view import View

_OPEN_FOR = 15 * 24 * 3600.0


class Handshakes:
    def __init__(self, state: State, view: View) -> None:
        self._state = state
        self._view = view

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "InviteAccountToOrganization": self.invite_account_to_organization,
            "AcceptHandshake": self.accept_handshake,
            "DeclineHandshake": self.decline_handshake,
            "CancelHandshake": self.cancel_handshake,
            "DescribeHandshake": self.describe_handshake,
            "ListHandshakesForAccount": self.list_handshakes_for_account,
            "ListHandshakesForOrganization": self.list_handshakes_for_organization,
        }

    def invite_account_to_organization(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._view.managed(who)
        account_id = self._target(params["Target"])
        if account_id in organization.seats:
            raise ServiceError(
                "HandshakeConstraintViolationException",
                "The account is already a member of the organization.",
                Reason="ALREADY_IN_AN_ORGANIZATION",
            )
        if any(
            one.organization_id == organization.id and self._current(one) == "OPEN"
            for one in self._state.handshakes_of(account_id)
        ):
            raise ServiceError(
                "DuplicateHandshakeException",
                "A handshake of this kind with this account is open already.",
            )
        handshake = Handshake(
            f"h-{self._state.hex_id(10)}",
            organization.id,
            organization.management,
            account_id,
            self._state.now(),
        )
        self._state.add_handshake(handshake)
        return {"Handshake": self._shown(handshake)}

    def accept_handshake(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        handshake = self._received(who, params)
        if self._state.organization_of(who.account_id) is not None:
            raise ServiceError(
                "HandshakeConstraintViolationException",
                "The account is already a member of an organization.",
                Reason="ALREADY_IN_AN_ORGANIZATION",
            )
        organization = self._state.organizations[handshake.organization_id]
        handshake.state = "ACCEPTED"
        self._state.account(who.account_id)
        self._state.join(organization, who.account_id, "INVITED")
        events.account_joined(self._state, organization.management, who.account_id, "INVITED")
        return {"Handshake": self._shown(handshake)}

    def decline_handshake(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        handshake = self._received(who, params)
        handshake.state = "DECLINED"
        return {"Handshake": self._shown(handshake)}

    def cancel_handshake(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        organization = self._state.organization_of(who.account_id)
        # Inferred for an account outside any organization: the model has no error of its own.
        if organization is None or organization.management != who.account_id:
            raise denied()
        handshake = self._open(params, lambda one: one.organization_id == organization.id)
        handshake.state = "CANCELED"
        return {"Handshake": self._shown(handshake)}

    def describe_handshake(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        handshake = self._state.handshakes.get(params["HandshakeId"])
        if handshake is None or who.account_id not in (handshake.management, handshake.account_id):
            raise _not_found()
        return {"Handshake": self._shown(handshake)}

    def list_handshakes_for_account(self, who: Caller, params: dict[str, Any]) -> dict[str, Any]:
        received = [self._shown(one) for one in self._state.handshakes_of(who.account_id)]
        return self._view.page("Handshakes", received, params)

    def list_handshakes_for_organization(
        self, who: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        organization = self._view.readable(who)
        sent = [
            self._shown(one)
            for one in self._state.handshakes.values()
            if one.organization_id == organization.id
        ]
        return self._view.page("Handshakes", sent, params)

    def _target(self, target: dict[str, str]) -> str:
        if target["Type"] == "ACCOUNT":
            return target["Id"]
        found = self._state.account_with_email(target["Id"])
        if found is not None:
            return found
        raise ServiceError(
            "InvalidInputException",
            "You specified a party that doesn't exist.",
            Reason="INVALID_PARTY_TYPE_TARGET",
        )

    def _received(self, who: Caller, params: dict[str, Any]) -> Handshake:
        return self._open(params, lambda one: one.account_id == who.account_id)

    def _open(self, params: dict[str, Any], concerns: Callable[[Handshake], bool]) -> Handshake:
        handshake = self._state.handshakes.get(params["HandshakeId"])
        if handshake is None or not concerns(handshake):
            raise _not_found()
        if self._current(handshake) != "OPEN":
            raise ServiceError(
                "InvalidHandshakeTransitionException",
                "You can't perform the operation on the handshake in its current state.",
            )
        return handshake

    def _current(self, handshake: Handshake) -> str:
        expired = self._state.now() >= handshake.requested_at + _OPEN_FOR
        return "EXPIRED" if handshake.state == "OPEN" and expired else handshake.state

    def _shown(self, handshake: Handshake) -> dict[str, Any]:
        organization = self._state.organizations[handshake.organization_id]
        return {
            "Id": handshake.id,
            "Arn": (
                f"arn:aws:organizations::{handshake.management}:handshake/"
                f"{handshake.organization_id}/invite/{handshake.id}"
            ),
            "Parties": [
                {"Id": handshake.organization_id.removeprefix("o-"), "Type": "ORGANIZATION"},
                {"Id": handshake.account_id, "Type": "ACCOUNT"},
            ],
            "State": self._current(handshake),
            "RequestedTimestamp": when(handshake.requested_at),
            "ExpirationTimestamp": when(handshake.requested_at + _OPEN_FOR),
            "Action": "INVITE",
            "Resources": [
                {
                    "Type": "ORGANIZATION",
                    "Value": handshake.organization_id,
                    "Resources": [
                        {
                            "Type": "MASTER_EMAIL",
                            "Value": self._state.account(organization.management).email,
                        },
                        {
                            "Type": "ORGANIZATION_FEATURE_SET",
                            "Value": organization.feature_set,
                        },
                    ],
                },
                {"Type": "ACCOUNT", "Value": handshake.account_id},
            ],
        }


def _not_found() -> ServiceError:
    return ServiceError(
        "HandshakeNotFoundException", "You specified a handshake that doesn't exist."
    )
