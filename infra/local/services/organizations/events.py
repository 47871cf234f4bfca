"""The CloudTrail service events that Organizations sends to the management account's bus."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from infra.local.wire.paging import when

if TYPE_CHECKING:
    from infra.local.facts.organization import Creation
    from infra.local.facts.state import State

_HOME = "us-east-1"
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_SERVICE = "organizations.amazonaws.com"


def create_account_result(state: State, creation: Creation) -> None:
    status: dict[str, Any] = {
        "id": creation.id,
        "state": creation.state,
        "accountName": "****",
        "requestedTimestamp": _spelled_out(creation.requested_at),
        "completedTimestamp": _spelled_out(creation.completed_at or creation.requested_at),
    }
    if creation.account_id is not None:
        status["accountId"] = creation.account_id
    if creation.failure is not None:
        status["failureReason"] = creation.failure
    _emit(state, creation.management, "CreateAccountResult", {"createAccountStatus": status})


def close_account_result(
    state: State, management: str, account_id: str, requested_at: float
) -> None:
    status = {
        "accountId": account_id,
        "state": "SUCCEEDED",
        "requestedTimestamp": _spelled_out(requested_at),
        "completedTimestamp": _spelled_out(state.now()),
    }
    _emit(state, management, "CloseAccountResult", {"closeAccountStatus": status})


def account_joined(state: State, management: str, account_id: str, method: str) -> None:
    """The body is inferred from the fields the API documentation names, as is the next one's."""
    details = {
        "accountId": account_id,
        "managementAccountId": management,
        "joinedMethod": method,
        "joinedTime": _iso(state.now()),
    }
    _emit(state, management, "AccountJoinedOrganization", details)


def account_departed(state: State, management: str, account_id: str, method: str) -> None:
    details = {
        "accountId": account_id,
        "managementAccountId": management,
        "departureMethod": method,
        "departureTime": _iso(state.now()),
    }
    _emit(state, management, "AccountDepartedOrganization", details)


def _emit(state: State, management: str, name: str, details: dict[str, Any]) -> None:
    now = _iso(state.now())
    state.events.append(
        {
            "version": "0",
            "id": _uuid(state),
            "detail-type": "AWS Service Event via CloudTrail",
            "source": "aws.organizations",
            "account": management,
            "time": now,
            "region": _HOME,
            "resources": [],
            "detail": {
                "eventVersion": "1.08",
                "userIdentity": {"accountId": management, "invokedBy": _SERVICE},
                "eventTime": now,
                "eventSource": _SERVICE,
                "eventName": name,
                "awsRegion": _HOME,
                "sourceIPAddress": _SERVICE,
                "userAgent": _SERVICE,
                "requestParameters": None,
                "responseElements": None,
                "eventID": _uuid(state),
                "readOnly": False,
                "eventType": "AwsServiceEvent",
                "managementEvent": True,
                "recipientAccountId": management,
                "eventCategory": "Management",
                "serviceEventDetails": details,
            },
        }
    )


def _uuid(state: State) -> str:
    return str(uuid.UUID(state.hex_id(), version=4))


def _iso(at: float) -> str:
    return when(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def _spelled_out(at: float) -> str:
    """``Nov 20, 2026 8:26:54 AM``, in English whatever the locale."""
    moment = when(at)
    month = _MONTHS[3 * moment.month - 3 : 3 * moment.month]
    half = "AM" if moment.hour < 12 else "PM"
    hour = moment.hour % 12 or 12
    return f"{month} {moment.day}, {moment.year} {hour}:{moment:%M:%S} {half}"
