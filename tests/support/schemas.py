"""The schemas of what is published, and of what the command line prints."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

_DOCS = Path(__file__).parents[2] / "docs"
_RECONCILE = "reconcile.schema.json"


@cache
def schema_of(name: str) -> Draft202012Validator:
    """The schema of a kind of document: ``onboarding``, ``reconcile``, or that of a verb, such as
    ``cli/status``, which may refer to the one of a reconcile."""
    schema = json.loads((_DOCS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    result = Resource.from_contents(json.loads((_DOCS / _RECONCILE).read_text()))
    registry: Registry[Any] = Registry().with_resource(f"../{_RECONCILE}", result)
    return Draft202012Validator(schema, registry=registry)


ONBOARDING_SCHEMA = schema_of("onboarding")
RECONCILE_SCHEMA = schema_of("reconcile")
