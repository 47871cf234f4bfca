"""The table of a run, without anything that identifies an account, a person or an organisation."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import boto3

from functions.enrolment.text import one_line, redact
from tests.contract.beliefs.trial import Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.contract.beliefs.trial import Row

_LONGEST_CELL = 300
# The type of the resource is kept: arn:aws:iam::<caller>:role/…
_ARN = re.compile(r"(arn:[a-z-]+:[a-z0-9-]*:[a-z0-9-]*:\d{0,12}:[a-z-]+[:/])[^\s\"',)]+")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
# Others name a proxy, a VPC endpoint or a host of the reader's own.
_PUBLIC = re.compile(
    r"https://(?!\S*\.vpce\.)[\w.-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)(?:/\S*)?"
)
_ACCOUNT_ID = re.compile(r"(?<![0-9A-Za-z])\d{12}(?![0-9A-Za-z])")
_HIDDEN = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"(authorization failure message: )\S+", re.IGNORECASE), r"\1<encoded>"),
    (re.compile(r"\b[0-9a-f]{20,}\b"), "<id>"),
    # With the name of a session, if there is one.
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{8,}\b(?::[\w+=,.@-]+)?"), "<key>"),
    (re.compile(r"\b(o|r|ou)-[0-9a-z]{4,}(?:-[0-9a-z]{8,})?\b"), r"\1-…"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
)


class Names:
    """Replaces identifying values; one account has the same name throughout a table."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._names = dict(known)

    def hide(self, text: str) -> str:
        text = _URL.sub(lambda url: url[0] if _PUBLIC.fullmatch(url[0]) else "<address>", text)
        text = _ARN.sub(r"\1…", redact(text))
        text = _ACCOUNT_ID.sub(lambda found: self._name(found[0]), text)
        for pattern, replacement in _HIDDEN:
            text = pattern.sub(replacement, text)
        return text

    def _name(self, account_id: str) -> str:
        return self._names.setdefault(account_id, f"<account {len(self._names) + 1}>")


def line(row: Row, names: Names) -> str:
    """One line about a row, for the test's failure."""
    return " | ".join(_cells(row, names))


def report(rows: Sequence[Row], names: Names) -> str:
    """The whole report, in Markdown: what differs first, what was not tried last."""
    order = (Result.DIFFERS, Result.AGREE, Result.NOT_TRIED)
    rows = sorted(rows, key=lambda row: order.index(row.result))
    counts = Counter(row.result for row in rows)
    head = ("belief", "Region", "expected", "answered", "result")
    sources = "R read in a model or document, O observed by others, I inferred, K unknown"
    lines = [
        f"boto3 {boto3.__version__}; "
        + ", ".join(f"{counts[result]} {result.value}" for result in order),
        f"The letter after a belief is its source: {sources}.",
        "",
        *(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head))),
        *(f"| {' | '.join(_cells(row, names))} |" for row in rows),
    ]
    differing = {row.belief.id: row.belief for row in rows if row.result is Result.DIFFERS}
    if differing:
        lines += ["", "Rollcall relies on what differs in:", ""]
        lines += [f"- {name}: {', '.join(belief.used_in)}" for name, belief in differing.items()]
    return "\n".join(lines) + "\n"


def _cells(row: Row, names: Names) -> list[str]:
    belief = row.belief
    result = f"{row.result.value} ({row.note})" if row.note else row.result.value
    cells = (f"{belief.id} ({belief.source})", row.region, str(belief.expected), row.answered)
    return [_cell(cell, names) for cell in (*cells, result)]


def _cell(text: str, names: Names) -> str:
    return one_line(names.hide(text), _LONGEST_CELL).replace("|", "\\|")
