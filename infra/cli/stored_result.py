"""Checks that a stored result of a reconcile is as docs/reconcile.schema.json says.

Whoever may write to the bucket may have put anything there, and a later version another result.
The page reads the complete results of 90 days: jsonschema takes six times as long for each, and
refuses fields that a later version has added.
"""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import Unreadable
from functions.enrolment.records import epoch_seconds
from functions.enrolment.stored import a_list, optional, reading, required

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.aws.archive import Archive

_SCHEMA = Path(__file__).parents[2] / "docs" / "reconcile.schema.json"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "null": (type(None),),
}


def read_result(archive: Archive, key: str) -> dict[str, Any] | None:
    """The stored result of a reconcile; None if there is none.

    Raises:
        Unreadable: a field is missing or has another form.
        RollcallError: as the bucket does.
    """
    result = archive.read(key)
    if result is not None:
        check_result(result, key)
    return result


def check_result(result: Mapping[str, Any], what: str) -> None:
    """Refuse a result, ``what`` for messages, unless all fields are as the schema says.

    Raises:
        Unreadable: a field is missing or has another form.
    """
    with reading(what):
        _check(_schema(), result)


@cache
def _schema() -> Mapping[str, Any]:
    schema: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return schema


def _check(schema: Mapping[str, Any], value: Any) -> None:
    """Hold a value to the keywords of JSON Schema that decide whether it can be shown."""
    if "anyOf" in schema:
        if value is None:
            return
        (schema,) = (each for each in schema["anyOf"] if each.get("type") != "null")
    _check_type(value, schema)
    for name, fields in schema.get("properties", {}).items() if isinstance(value, dict) else ():
        if name in schema.get("required", ()):
            required(value, name, partial(_check, fields))
        else:
            optional(value, name, partial(_check, fields), None)
    if isinstance(value, list) and "items" in schema:
        a_list(partial(_check, schema["items"]))(value)


def _check_type(value: Any, schema: Mapping[str, Any]) -> None:
    given = schema.get("type", ())
    names = [given] if isinstance(given, str) else list(given)
    types = tuple(each for name in names for each in _TYPES[name])
    if types and (not isinstance(value, types) or isinstance(value, bool)):
        raise Unreadable("", f"takes {' or '.join(names)}")
    if "const" in schema and value != schema["const"]:
        raise Unreadable("", f"takes {schema['const']}, this version's")
    if "enum" in schema and value not in schema["enum"]:
        raise Unreadable("", "takes a word of this version")
    if schema.get("format") == "date-time" and value is not None:
        try:
            epoch_seconds(value)
        except (ValueError, OverflowError):
            raise Unreadable("", "takes a time as ISO 8601") from None
