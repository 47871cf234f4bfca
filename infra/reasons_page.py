"""Generates docs/reasons.md from the table of reasons: ``python -m infra.reasons_page``."""

from __future__ import annotations

from pathlib import Path

from functions.enrolment.reason import MEANINGS, WAITING, ReasonCode

PAGE = Path(__file__).parents[1] / "docs" / "reasons.md"

_INTRODUCTION = f"""\
# Reasons

Generated from `functions/enrolment/reason.py` by `python -m infra.reasons_page`.

Every entry of a result that is not enabled has a `reason_code` for programs and a `reason` for
people. Codes are never renamed, and new ones may be added. A reason contains what is the case; if
the status lasts, since when and what was tried last; and what you can do (`to do: ...`).

*{WAITING}*: in interim results, for memberships that have no outcome yet; they are to be started
again only if that run is over. *…* stands for further
detail, usually the error message of AWS.
"""
_SHOWN = {
    "service": "*service*",
    "name": "*service*",
    "prerequisite": "*prerequisite*",
    "region": "*Region*",
    "status": "*status*",
    "said": "*…*",
    "also": " (*…*)",
    "take_out": "*calls*",
    "fix": "fix what the last try says, and start again",
    "again": "start again",
    "and_again": ", and start again",
}


def reasons_page() -> str:
    """The page: every code with its outcomes, meaning and remedy."""
    rows = [
        ("Code", "Outcome", "Meaning", "What you can do"),
        ("---", "---", "---", "---"),
        *(_row(code) for code in ReasonCode),
    ]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{_INTRODUCTION}\n{table}"


def _row(code: ReasonCode) -> tuple[str, str, str, str]:
    meaning = MEANINGS[code]
    outcomes = ", ".join(meaning.outcomes) or "within another reason"
    return f"`{code}`", outcomes, _readable(meaning.what), _readable(meaning.remedy)


def _readable(template: str) -> str:
    """A template with placeholders for its fields."""
    return template.format(**_SHOWN)


if __name__ == "__main__":
    PAGE.write_text(reasons_page())
