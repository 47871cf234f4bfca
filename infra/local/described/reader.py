"""Reads a description from JSON, as docs/local-world.schema.json says it."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

from functions.enrolment.account import is_account_id
from functions.enrolment.document import Document, a_boolean, a_list, a_map, one_of
from functions.enrolment.errors import InvalidInput
from functions.enrolment.text import MOST_OF_AN_EMAIL, is_email, printable_key
from infra.local.described.description import (
    DescribedAccount,
    DescribedAdministrator,
    DescribedOrganization,
    DescribedRole,
    Description,
)
from infra.local.described.references import check_references
from infra.local.facts.organization import AccountState, AutoEnable, Joined
from infra.local.facts.regions import DEFAULT_REGIONS, OPT_IN_REGIONS
from infra.local.facts.state import Volume
from infra.local.services.registry import SERVICES
from infra.local.services.shared.members import Members

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

MOST_ACCOUNTS = 10_000
MOST_SECONDS = 10**9
MEMBER_SERVICES = tuple(kind.name for kind in SERVICES if issubclass(kind, Members))
REGIONS = DEFAULT_REGIONS | OPT_IN_REGIONS


def load(path: Path) -> Description:
    """Read a file.

    Raises:
        OSError: it cannot be read.
        InvalidInput: it is not JSON, or a value is invalid; the message names its path.
    """
    try:
        value = json.loads(
            path.read_bytes(),
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_repeated_keys,
        )
    except RecursionError:
        raise InvalidInput("input", "is nested too deeply") from None
    except ValueError as error:
        raise InvalidInput("input", f"is not JSON ({error})") from None
    description = read_description(value)
    check_references(description)
    return description


def read_description(value: object) -> Description:
    """Read what docs/local-world.schema.json describes.

    Raises:
        InvalidInput: a value is invalid; the message names its path and what it takes.
    """
    document = Document(value)
    document.optional("$schema", _a_string(1, 1000), "")
    description = Description(
        organization=document.optional("organization", _organization, None),
        accounts=document.optional(
            "accounts", a_list(_account, MOST_ACCOUNTS, lambda account: account.id), ()
        ),
        administrators=document.optional("administrators", a_list(_administrator, 1000), ()),
        timings=document.optional("timings", a_map(_an_amount, 100), {}),
        limits=document.optional("limits", a_map(_an_amount, 100), {}),
    )
    document.close()
    return description


def _organization(value: object, path: str) -> DescribedOrganization:
    document = Document(value, path)
    organization = DescribedOrganization(
        management=document.required("management", _an_account_id),
        units=document.optional("units", a_list(_a_unit, 2000), ()),
        trusted_access=document.optional("trusted_access", a_list(_a_principal, 100), ()),
        delegated_administrators=document.optional(
            "delegated_administrators", _a_map_of(_a_principal, _an_account_id, 100), {}
        ),
    )
    document.close()
    return organization


def _account(value: object, path: str) -> DescribedAccount:
    document = Document(value, path)
    facts = {
        "email": document.optional("email", _an_email, None),
        "name": document.optional("name", _a_string(1, 50), None),
        "state": document.optional("state", one_of(_choices(AccountState)), None),
        "volume": document.optional("volume", one_of(_choices(Volume)), None),
        "accepts_after": document.optional("accepts_after", _acceptance, None),
        "tags": document.optional("tags", a_map(_a_string(0, 256), 50), None),
    }
    account = DescribedAccount(
        id=document.required("id", _an_account_id),
        facts={key: fact for key, fact in facts.items() if fact is not None},
        unit=document.optional("unit", _a_unit, None),
        joined=document.optional("joined", one_of(_choices(Joined)), None),
        in_organization=document.optional("in_organization", a_boolean, True),
        regions=document.optional("regions", a_list(_an_opt_in_region, 100), ()),
        enabled=document.optional("enabled", _a_map_of(_a_service, _regions, 10), {}),
        roles=document.optional("roles", a_list(_role, 1000, lambda role: role.name), ()),
    )
    document.close()
    return account


def _role(value: object, path: str) -> DescribedRole:
    document = Document(value, path)
    role = DescribedRole(
        name=document.required("name", _matching(r"[\w+=,.@-]{1,64}", "the name of a role")),
        trusts=document.required("trusts", a_list(_a_trusted, 100)),
        external_id=document.optional("external_id", _an_external_id, None),
        policies=document.optional("policies", a_list(_a_policy, 20), ()),
    )
    document.close()
    return role


def _administrator(value: object, path: str) -> DescribedAdministrator:
    document = Document(value, path)
    administrator = DescribedAdministrator(
        account=document.required("account", _an_account_id),
        services=document.required("services", a_list(_a_service, len(MEMBER_SERVICES))),
        regions=document.required("regions", _regions),
        auto_enable=document.optional("auto_enable", one_of(_choices(AutoEnable)), None),
        members=document.optional("members", a_list(_an_account_id, MOST_ACCOUNTS), ()),
    )
    document.close()
    return administrator


def _matching(pattern: str, what: str) -> Callable[[object, str], str]:
    def read(value: object, path: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise InvalidInput(path, f"takes {what}")
        return value

    return read


def _a_string(least: int, most: int) -> Callable[[object, str], str]:
    def read(value: object, path: str) -> str:
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise InvalidInput(path, f"takes a string of {least} to {most} characters")
        return value

    return read


def _a_map_of(
    read_key: Callable[[object, str], str], read: Callable[[object, str], T], most: int
) -> Callable[[object, str], dict[str, T]]:
    def read_map(value: object, path: str) -> dict[str, T]:
        found = a_map(read, most)(value, path)
        return {read_key(key, path): element for key, element in found.items()}

    return read_map


def _choices(kind: Any) -> dict[str, Any]:
    return {choice.value: choice for choice in kind}


def _an_account_id(value: object, path: str) -> str:
    if not isinstance(value, str) or not is_account_id(value):
        raise InvalidInput(path, "takes twelve digits, as a string")
    return value


def _an_email(value: object, path: str) -> str:
    if not isinstance(value, str) or not is_email(value):
        raise InvalidInput(
            path, f"takes an e-mail address of at most {MOST_OF_AN_EMAIL} characters"
        )
    return value


def _an_amount(value: object, path: str) -> float | None:
    """Seconds or a count, or null."""
    return None if value is None else _a_number(value, path)


def _a_number(value: object, path: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= MOST_SECONDS:  # type: ignore[operator]  # it is a number
        raise InvalidInput(path, f"takes a number from 0 to {MOST_SECONDS}")
    return value  # type: ignore[return-value]  # it is a number


def _acceptance(value: object, path: str) -> float | dict[str, float]:
    if isinstance(value, dict):
        return _a_map_of(_a_service, _a_number, len(MEMBER_SERVICES))(value, path)
    return _a_number(value, path)


def _regions(value: object, path: str) -> tuple[str, ...]:
    return a_list(_a_region, len(REGIONS))(value, path)


def _a_region(value: object, path: str) -> str:
    if not isinstance(value, str) or value not in REGIONS:
        raise InvalidInput(path, "takes the name of a Region such as eu-west-1")
    return value


_an_opt_in_region = one_of({region: region for region in sorted(OPT_IN_REGIONS)})
_a_service = one_of({name: name for name in MEMBER_SERVICES})
_a_unit = _matching(
    r"[\w .&()-]{1,128}(/[\w .&()-]{1,128}){0,4}",
    "the path of a unit such as Workloads/Production, of 5 levels at most",
)
_a_principal = _matching(
    r"[a-z0-9.-]{1,100}\.amazonaws\.com", "a service principal such as account.amazonaws.com"
)
_a_trusted = _matching(
    r"[0-9]{12}|arn:aws:(iam|sts)::[0-9]{12}:[\w+=,.@/-]{1,200}|[a-z0-9.-]{1,100}\.amazonaws\.com",
    "the id of an account, the ARN of a role or user, or a service principal",
)
_an_external_id = _matching(r"[\w+=,.@:/-]{2,1224}", "an external id of 2 to 1224 characters")
_a_policy = _matching(
    r"arn:aws:iam::(aws|[0-9]{12}):policy/[\w+=,.@/-]{1,200}", "the ARN of a managed policy"
)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Python's reader keeps the last of them without a word."""
    document = dict(pairs)
    for key, count in Counter(key for key, _ in pairs).items():
        if count > 1:
            message = f"has the key {printable_key(key)} {count} times in one object"
            raise InvalidInput("input", message)
    return document
