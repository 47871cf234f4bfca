"""The schemas of what is published."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

_DOCS = Path(__file__).parents[2] / "docs"


def schema_of(name: str) -> Draft202012Validator:
    """The schema of a kind of document, ``onboarding`` or ``reconcile``."""
    schema = json.loads((_DOCS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


ONBOARDING_SCHEMA = schema_of("onboarding")
RECONCILE_SCHEMA = schema_of("reconcile")
