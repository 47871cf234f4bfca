"""The variables that point the beliefs at a real account."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from functions.enrolment.account import is_account_id
from functions.enrolment.errors import InvalidInput
from functions.enrolment.text import is_email

if TYPE_CHECKING:
    from collections.abc import Mapping

PROFILE = "ROLLCALL_CONTRACT_PROFILE"
REGIONS = "ROLLCALL_CONTRACT_REGIONS"
CHANGES = "ROLLCALL_CONTRACT_CHANGES"
ACCOUNTS = "ROLLCALL_CONTRACT_ACCOUNTS"


@dataclass(frozen=True, slots=True)
class NamedAccount:
    """An account that may be created, invited and deleted as a member."""

    id: str
    email: str


@dataclass(frozen=True, slots=True)
class Settings:
    """``regions`` is empty for the Region of the profile; ``accounts`` if nothing may change."""

    profile: str
    regions: tuple[str, ...] = ()
    accounts: tuple[NamedAccount, ...] = ()


def read_settings(environment: Mapping[str, str]) -> Settings | None:
    """The settings; None if no profile is named.

    Raises:
        InvalidInput: a variable or the file of accounts is invalid; the message names the field.
    """
    profile = environment.get(PROFILE)
    if not profile:
        return None
    regions = [one.strip() for one in environment.get(REGIONS, "").split(",") if one.strip()]
    if not all(re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region) for region in regions):
        raise InvalidInput(REGIONS, "takes names of Regions, separated by commas")
    changes = environment.get(CHANGES, "")
    if changes not in ("", "yes"):
        raise InvalidInput(CHANGES, "takes yes, or is not set")
    file = environment.get(ACCOUNTS, "")
    if changes and not file:
        raise InvalidInput(ACCOUNTS, f"is required with {CHANGES}: a JSON file of accounts")
    accounts = read_accounts(Path(file)) if file else ()
    return Settings(profile, tuple(dict.fromkeys(regions)), accounts if changes else ())


def read_accounts(file: Path) -> tuple[NamedAccount, ...]:
    """The accounts of ``{"accounts": [{"id": "444455556666", "email": "owner@example.com"}]}``.

    Raises:
        InvalidInput: the file or a value in it is invalid.
    """
    try:
        document = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InvalidInput(ACCOUNTS, "takes the name of a JSON file") from error
    if not isinstance(document, dict) or document.keys() != {"accounts"}:
        raise InvalidInput(ACCOUNTS, "takes a file with a JSON object of one key, accounts")
    listed = document["accounts"]
    if not isinstance(listed, list) or not listed:
        raise InvalidInput("accounts", "takes a list of accounts, at least one")
    return tuple(_account(f"accounts[{number}]", one) for number, one in enumerate(listed))


def _account(field: str, value: object) -> NamedAccount:
    if not isinstance(value, dict) or value.keys() != {"id", "email"}:
        raise InvalidInput(field, "takes an object with the keys id and email")
    if not is_account_id(value["id"]):
        raise InvalidInput(f"{field}.id", "takes twelve digits, as a string")
    if not isinstance(value["email"], str) or not is_email(value["email"]):
        raise InvalidInput(f"{field}.email", "takes the e-mail address of the account's root user")
    return NamedAccount(value["id"], value["email"])
