"""CloudTrail records without what identifies anybody, fit to be sent to others.

What is kept is listed, all else is replaced: fields of which AWS names the values, such as
``eventName``, times, true, false and null. The same text has the same replacement everywhere, and
what looks like an id still looks like one, so that the records keep their form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Fields whose values are AWS's words.
_KEPT = frozenset(
    {
        "action",
        "awsRegion",
        "departureMethod",
        "errorCode",
        "eventCategory",
        "eventName",
        "eventSource",
        "eventType",
        "eventVersion",
        "failureReason",
        "govCloudAccountState",
        "invokedBy",
        "joinMethod",
        "joinedMethod",
        "regionName",
        "state",
        "status",
        "type",
    }
)
# No digits in a row but those of a version or a Region, so that no id passes.
_WORD = re.compile(r"(?!.*\d{3})[A-Za-z0-9][A-Za-z0-9_. -]{0,47}", re.ASCII)
# How AWS names itself as a caller.
_AWS = re.compile(r"AWS Internal|(account|controltower|organizations|sso)\.amazonaws\.com")
_FIELD = re.compile(r"[A-Za-z][A-Za-z_]{0,47}", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)"
    r"|(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{1,2}, \d{4},? \d{1,2}:\d\d:\d\d [AP]M",
    re.ASCII,
)
# Epoch seconds and milliseconds of this century.
_EPOCH = re.compile(r"[1-4]\d{9}(\d{3})?", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_ORGANIZATION = re.compile(r"(o|h|r|car|ou)-[a-z0-9]{4,34}(-[a-z0-9]{8,32})?", re.ASCII)
_ARN = re.compile(
    r"arn:aws(-cn|-us-gov)?:(account|controltower|iam|organizations|sts):"
    r"([a-z]{2}(-[a-z]{2,9}){1,2}-\d)?:",
    re.ASCII,
)
_IP = re.compile(r"\d{1,3}(\.\d{1,3}){3}|(?=.*:.*:)[0-9a-f:]{2,45}", re.IGNORECASE | re.ASCII)
# Separators, and kinds of resources.
_IN_ARNS = frozenset(
    {":", "/", "account", "assumed-role", "organization", "ou", "role", "root", "user"}
)
_SEPARATORS = re.compile(r"([:/])")


class Masking:
    """Replacements that are the same for the same text."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def masked(self, value: object, field: str = "") -> object:
        """A JSON value with everything replaced that is not known to identify nobody."""
        if isinstance(value, Mapping):
            return {self._key(key): self.masked(item, str(key)) for key, item in value.items()}
        if isinstance(value, str):
            return self._text(value, field)
        if isinstance(value, Sequence):
            return [self.masked(item, field) for item in value]
        if value is None or isinstance(value, bool):
            return value
        return self._number(value)

    def _key(self, key: object) -> str:
        text = str(key)
        return text if _FIELD.fullmatch(text) else self._replaced(text, "field", "field{}".format)

    def _number(self, value: object) -> object:
        """Small numbers and times are kept."""
        text = str(value)
        if _ACCOUNT.fullmatch(text):
            return int(self._part(text))
        if len(text) < 4 or _EPOCH.fullmatch(text):
            return value
        return int(self._replaced(text, "number", lambda n: str(1000 + n)))

    def _text(self, value: str, field: str) -> str:
        if not value or _TIME.fullmatch(value) or _AWS.fullmatch(value):
            return value
        if field in _KEPT and _WORD.fullmatch(value):
            return value
        if _ARN.match(value):
            head = ":".join(value.split(":")[:4])
            parts = _SEPARATORS.split(value[len(head) + 1 :])
            rest = (part if part in _IN_ARNS else self._part(part) for part in parts if part)
            return f"{head}:{''.join(rest)}"
        return self._part(value)

    def _part(self, text: str) -> str:
        """A replacement of the same form."""
        forms: tuple[tuple[re.Pattern[str], str, Callable[[int], str]], ...] = (
            (_ACCOUNT, "account", lambda n: f"{100_000_000_000 + n}"),
            (_UUID, "uuid", lambda n: f"00000000-0000-4000-8000-{n:012}"),
            (_IP, "address", lambda n: f"192.0.2.{n % 256}"),
        )
        for form, kind, make in forms:
            if form.fullmatch(text):
                return self._replaced(text, kind, make)
        if _ORGANIZATION.fullmatch(text):
            head, *rest = text.split("-")
            lengths = [len(part) for part in rest]
            return self._replaced(text, "organization", lambda n: _shaped(head, lengths, n))
        if "@" in text:
            return self._replaced(text, "e-mail", "person{}@example.com".format)
        return self._replaced(text, "text", "text-{}".format)

    def _replaced(self, text: str, kind: str, make: Callable[[int], str]) -> str:
        """The replacement of a text; numbers are given by kind, from 1."""
        if text not in self._given:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._given[text] = make(self._counts[kind])
        return self._given[text]


def _shaped(head: str, lengths: Sequence[int], number: int) -> str:
    return "-".join([head, *(f"{number:0{length}}" for length in lengths)])
