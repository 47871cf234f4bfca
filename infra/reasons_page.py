"""docs/reasons.md, made from the table of reasons: ``python -m infra.reasons_page`` writes it."""

from __future__ import annotations

from pathlib import Path

from functions.enrolment.reason import MEANINGS, WAITING, ReasonCode

PAGE = Path(__file__).parents[1] / "docs" / "reasons.md"

_INTRODUCTION = f"""\
# Reasons

Made from `functions/enrolment/reason.py` by `python -m infra.reasons_page`.

Every entry of a result that is not enabled has a `reason_code` for programs and a `reason` for
people. A code is never renamed, and new ones may be added. A reason says what is the case; since
when, and what was tried last, where the status lasts; and what you can do (`to do: ...`).

*{WAITING}* is said in interim results, of what has no outcome yet. *…* stands for what else is
known, most often the words of AWS.
"""
_SHOWN = {
    "service": "*service*",
    "name": "*service*",
    "region": "*Region*",
    "status": "*status*",
    "said": "*…*",
    "also": " (*…*)",
    "take_out": "*calls*",
    "fix": "fix what the last try says, and start again",
}


def reasons_page() -> str:
    """The page: every code with the outcomes it comes with, what it says, and the remedy."""
    rows = [
        ("Code", "Outcome", "What it says", "What you can do"),
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
    """A template with what stands for its names."""
    return template.format(**_SHOWN)


if __name__ == "__main__":
    PAGE.write_text(reasons_page())
