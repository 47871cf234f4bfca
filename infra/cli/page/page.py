"""Makes the page: one file that needs no other and no network."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from infra.cli.page.data import page_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.cli.history import History
    from infra.cli.report import Report

_HERE = Path(__file__).parent


def page_of(report: Report, totals: History, units: Mapping[str, str], title: str) -> str:
    """The HTML document of a report.

    ``units`` are names of organisational units by id, ``title`` is the deployment's name.
    """
    return document_of(page_data(report, totals, units, title))


def document_of(data: dict[str, Any]) -> str:
    """The HTML document of ``page_data``.

    Its policy allows its own style and script, by their digests, and no request at all.
    """
    style, script = _part("page.css"), _part("page.js")
    return Template(_part("page.html")).substitute(
        style=style,
        script=script,
        style_digest=_digest(style),
        script_digest=_digest(script),
        data=_escaped(data),
    )


def _part(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _escaped(data: dict[str, Any]) -> str:
    """JSON in which no text ends the script element or begins a comment."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
