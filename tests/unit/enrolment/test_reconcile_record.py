"""The record of a reconcile: what is read of its row, and what is refused by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from functions.enrolment.errors import Unreadable
from functions.enrolment.reconcile_record import (
    ReconcileRecord,
    reconcile_from_item,
    reconcile_to_item,
)
from tests.support.builders import NOW

BEGUN = ReconcileRecord("nightly", "schedule", NOW, "arn:nightly")
ROW = {"pk": "reconcile#nightly", "sk": "reconcile"}
ENDED = {
    "paused_at": Decimal(str(NOW + 1)),
    "surveyed_at": Decimal(str(NOW + 2)),
    "runs": [Decimal(0), Decimal(1)],
    "begun_at": Decimal(str(NOW + 3)),
    "await_until": Decimal(str(NOW + 4)),
    "outcome": "complete",
    "closed_at": Decimal(str(NOW + 5)),
    "gaps": Decimal(7),
    "unfinished": ["message"],
    "published_event": "e-1",
}


def test_a_reconcile_that_begins_is_read_as_it_was_written() -> None:
    assert reconcile_from_item(ROW | reconcile_to_item(BEGUN)) == BEGUN


def test_a_reconcile_that_ended_is_read_with_what_was_recorded_of_it() -> None:
    assert reconcile_from_item(ROW | reconcile_to_item(BEGUN) | ENDED) == ReconcileRecord(
        "nightly",
        "schedule",
        NOW,
        "arn:nightly",
        paused_at=NOW + 1,
        surveyed_at=NOW + 2,
        runs=(0, 1),
        begun_at=NOW + 3,
        await_until=NOW + 4,
        outcome="complete",
        closed_at=NOW + 5,
        gaps=7,
        unfinished=("message",),
        published={"event": "e-1"},
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("reconcile_id", 7, "reconcile_id: takes a text"),
        ("source", 7, "source: takes a text"),
        ("started_at", "now", "started_at: takes a time in epoch seconds"),
        ("execution_arn", 7, "execution_arn: takes a text"),
        ("paused_at", "now", "paused_at: takes a time in epoch seconds"),
        ("surveyed_at", "now", "surveyed_at: takes a time in epoch seconds"),
        ("runs", ["one"], "runs[0]: takes a whole number"),
        ("begun_at", "now", "begun_at: takes a time in epoch seconds"),
        ("await_until", "now", "await_until: takes a time in epoch seconds"),
        ("outcome", 7, "outcome: takes a text"),
        ("closed_at", "now", "closed_at: takes a time in epoch seconds"),
        ("gaps", "many", "gaps: takes a whole number"),
        ("unfinished", [7], "unfinished[0]: takes a text"),
        ("published_event", 7, "published_event: takes a text"),
    ],
)
def test_a_field_in_another_form_is_refused_by_its_row_and_name(
    name: str, value: Any, expected: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        reconcile_from_item(ROW | reconcile_to_item(BEGUN) | {name: value})

    assert str(refused.value) == f"row reconcile#nightly reconcile: {expected}"


@pytest.mark.parametrize("name", reconcile_to_item(BEGUN))
def test_what_was_recorded_when_it_began_is_required(name: str) -> None:
    item = ROW | reconcile_to_item(BEGUN)
    del item[name]

    with pytest.raises(Unreadable, match=f"^row reconcile#nightly reconcile: {name}: is required$"):
        reconcile_from_item(item)
