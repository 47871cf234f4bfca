"""Accounts: ids, states and how an account is enrolled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

AccountId = NewType("AccountId", str)
# What one call of the member APIs takes, and so one run.
MOST_ACCOUNTS = 50


class AccountState(StrEnum):
    """``State`` of an account in Organizations (botocore ``organizations.AccountState``)."""

    PENDING_ACTIVATION = "PENDING_ACTIVATION"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    PENDING_CLOSURE = "PENDING_CLOSURE"
    CLOSED = "CLOSED"


class Mode(StrEnum):
    """How an account is enrolled. In ``organization`` mode no invitation is ever sent."""

    ORGANIZATION = "organization"
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class Account:
    """An account to enrol, its e-mail where one is known, and the mode found for it.

    ``regions_known`` says whether it was found out which Regions it has enabled.
    """

    id: AccountId
    email: str | None
    mode: Mode
    regions_known: bool = False


@dataclass(frozen=True, slots=True)
class OrganizationAccount:
    """What Organizations says of an account (``DescribeAccount``). ``state`` is its own word.

    ``joined_at`` is when it joined (``JoinedTimestamp``, epoch seconds): anew when it comes back.
    """

    id: AccountId
    email: str
    state: str
    path: str | None = None
    joined_at: float | None = None


def is_account_id(value: object) -> bool:
    """Whether ``value`` is a string of exactly twelve digits."""
    return isinstance(value, str) and len(value) == 12 and value.isascii() and value.isdigit()
