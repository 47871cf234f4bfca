"""Tries a belief in one place: makes its state, calls, compares, and removes the state again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from functions.services.answers import says_no_member
from functions.services.registry import SERVICES
from tests.contract.beliefs.expectations import Reached, error
from tests.contract.beliefs.settings import ACCOUNTS, CHANGES

if TYPE_CHECKING:
    from tests.contract.beliefs.answers import Answer, Site
    from tests.contract.beliefs.belief import Belief, Step

_RECORDS = {record.name: record for record in SERVICES}


class Result(StrEnum):
    AGREE = "agree"
    DIFFERS = "DIFFERS"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``note`` is why a belief was not tried, or what was left behind."""

    belief: Belief
    region: str
    result: Result
    answered: str = ""
    note: str = ""


def try_belief(belief: Belief, site: Site) -> Row:
    if belief.changes and not site.accounts:
        return _not_tried(belief, site, f"needs {CHANGES}=yes and {ACCOUNTS}")
    for need in belief.needs:
        reason = need(site)
        if reason is not None:
            return _not_tried(belief, site, reason)
    if not belief.changes:
        parameters = belief.parameters(site)
        answer = site.read(
            belief.service, belief.operation, all_pages=belief.all_pages, **parameters
        )
        return _compare(belief, site, answer)
    try:
        row = _changing(belief, site)
    finally:
        left = _clean_up(belief, site)
    if not left:
        return row
    return Row(belief, site.region, Result.DIFFERS, row.answered, f"delete the member: {left}")


def _changing(belief: Belief, site: Site) -> Row:
    for step in belief.before:
        hindered = _hindered(_take(step, belief, site))
        if hindered:
            return _not_tried(belief, site, f"{step.operation} before it: {hindered}")
    answer = site.call(belief.service, belief.operation, **belief.parameters(site))
    return _compare(belief, site, answer)


def _clean_up(belief: Belief, site: Site) -> str:
    """What the last call of the clean-up was refused with; "" if the account is no member now."""
    answers = [_take(step, belief, site) for step in belief.after]
    left = _hindered(answers[-1]) if answers else ""
    return "" if says_no_member(_RECORDS[belief.service], left) else left


def _take(step: Step, belief: Belief, site: Site) -> Answer:
    return site.call(belief.service, step.operation, **step.parameters(site))


def _hindered(answer: Answer) -> str:
    """The error or the text with which a service did not do what a step asked; "" if it did."""
    unprocessed = answer.values("UnprocessedAccounts[]")
    texts = [str(value) for one in unprocessed for key, value in one.items() if key != "AccountId"]
    return error(answer) or "; ".join(texts)


def _compare(belief: Belief, site: Site, answer: Answer) -> Row:
    held = belief.expected.holds(answer)
    # That a service does not respond is what a belief about its Regions is about.
    about = isinstance(belief.expected, Reached)
    if answer.hindrance and not held and not about:
        return _not_tried(belief, site, answer.hindrance)
    if held is None:
        return _not_tried(belief, site, "the answer has none")
    result = Result.AGREE if held else Result.DIFFERS
    return Row(belief, site.region, result, belief.expected.shown(answer))


def _not_tried(belief: Belief, site: Site, why: str) -> Row:
    return Row(belief, site.region, Result.NOT_TRIED, note=why)
