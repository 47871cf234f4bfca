"""The schemas of what is published are added to, and nothing in them changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.automation import Automatic
from functions.enrolment.membership import Outcome
from functions.enrolment.reason import ReasonCode
from functions.enrolment.reconcile import Disposition
from functions.enrolment.reconcile_result import ReconcileOutcome
from functions.enrolment.results import RunOutcome
from tests.support.schemas import ONBOARDING_SCHEMA, RECONCILE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# One line for each field of version 1 and for each value of an enum. Lines are added, never
# changed or removed: programs rely on them.
VERSION_1 = Path(__file__).parent / "published_version_1.txt"
SCHEMAS: dict[str, Any] = {
    "onboarding": ONBOARDING_SCHEMA.schema,
    "reconcile": RECONCILE_SCHEMA.schema,
}


def fields(schema: Mapping[str, Any], path: str, always: str = "") -> Iterator[str]:
    """``<path> <type>``, with ``optional`` if a document may lack it, and ``<path> = <value>``."""
    for one in schema.get("anyOf", (schema,)):
        values = one.get("enum", [one["const"]] if "const" in one else [])
        kinds = one.get("type", [])
        kind = "|".join([kinds] if isinstance(kinds, str) else kinds) or "one of"
        yield f"{path} {kind}{always}"
        yield from (f"{path} = {value}" for value in values)
        for name, field in one.get("properties", {}).items():
            yield from fields(
                field, f"{path}.{name}", "" if name in one["required"] else " optional"
            )
        if "items" in one:
            yield from fields(one["items"], f"{path}[]")


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_version_1_is_added_to_and_never_changed(name: str) -> None:
    stored = {line for line in VERSION_1.read_text().splitlines() if line.startswith(name)}
    now = set(fields(SCHEMAS[name], name))

    assert stored - now == set(), "programs rely on these"
    assert now - stored == set(), f"add these to {VERSION_1.name}"


def described(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, bool]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", bool(field.get("description"))
        yield from described(field, f"{path}.{name}")
    if "items" in schema:
        yield from described(schema["items"], f"{path}[]")


def test_every_field_of_an_onboarding_is_described() -> None:
    missing = [path for path, it in described(SCHEMAS["onboarding"], "onboarding") if not it]

    assert missing == []


def test_the_values_are_those_of_the_rules() -> None:
    onboarding = SCHEMAS["onboarding"]["properties"]
    membership = onboarding["memberships"]["items"]["properties"]
    reconcile = SCHEMAS["reconcile"]["properties"]
    gap = reconcile["gaps"]["items"]["properties"]

    assert membership["reason_code"]["enum"] == [*map(str, ReasonCode), None]
    assert membership["outcome"]["enum"] == [*map(str, Outcome), None]
    assert membership["automation"]["enum"] == [*map(str, Automatic), None]
    assert onboarding["outcome"]["enum"] == [str(outcome) for outcome in RunOutcome]
    assert list(onboarding["counts"]["properties"]) == [str(outcome) for outcome in Outcome]
    assert reconcile["outcome"]["enum"] == [str(outcome) for outcome in ReconcileOutcome]
    assert gap["disposition"]["enum"] == [str(disposition) for disposition in Disposition]
