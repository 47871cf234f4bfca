"""Accounts: ids, states and how an account is enrolled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from functions.enrolment.regions import is_opt_in

AccountId = NewType("AccountId", str)
# The limit of one call of the member APIs, and therefore of one run.
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
    """An account to enrol, its e-mail address if known, and its mode.

    ``regions_known`` says whether its enabled Regions could be looked up; ``joined_at`` is when it
    joined the organisation (epoch seconds), None if unknown.
    """

    id: AccountId
    email: str | None
    mode: Mode
    regions_known: bool = False
    joined_at: float | None = None

    def has_enabled(self, region: str) -> bool:
        """Whether it is known to have a Region enabled in which it is enrolled.

        An account whose enabled Regions are known is not enrolled in any other Region.
        """
        return self.regions_known or not is_opt_in(region)

    def joined_since(self, moment: float) -> bool:
        """Whether it is known to have joined the organisation since then (epoch seconds)."""
        return self.joined_at is not None and self.joined_at >= moment


@dataclass(frozen=True, slots=True)
class OrganizationAccount:
    """An account as Organizations returns it (``DescribeAccount``, ``ListAccounts``).

    ``state`` is the raw value. ``joined_at`` (``JoinedTimestamp``, epoch seconds) changes if the
    account leaves and rejoins. ``name`` is for people; documents between the steps leave it out.
    """

    id: AccountId
    email: str
    state: str
    path: str | None = None
    joined_at: float | None = None
    name: str = ""

    @property
    def unit(self) -> str:
        """The path of the organisational unit (or root) it is in, "" if unknown."""
        return (self.path or "").removesuffix(f"{self.id}/")

    def is_in(self, unit: str) -> bool:
        """Whether it is below an organisational unit, given by its id or its path."""
        return f"/{unit.strip('/')}/" in f"/{self.unit}"


def is_account_id(value: object) -> bool:
    """Whether ``value`` is a string of exactly twelve digits."""
    return isinstance(value, str) and len(value) == 12 and value.isascii() and value.isdigit()
