"""What the local services do for one request does not depend on how many memberships there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.facts.membership import OPEN_TO_CREATION, Change, LocalStatus, Memberships
from infra.local.wire.paging import page, page_by_key

KEYS = [f"{number:03}" for number in range(100)]


@given(size=st.integers(1, 120), left_out=st.frozensets(st.sampled_from(KEYS)))
def test_pages_have_every_key_that_is_shown(size: int, left_out: frozenset[str]) -> None:
    token, found = None, list[str]()
    while True:
        shown, token = page_by_key(KEYS, lambda key: None if key in left_out else key, token, size)
        assert token is None or len(shown) == size
        found += shown
        if token is None:
            break

    assert found == [key for key in KEYS if key not in left_out]


def test_a_page_reads_one_key_more_than_it_has() -> None:
    read: list[str] = []

    def show(key: str) -> str:
        read.append(key)
        return key

    _, token = page_by_key(KEYS, lambda key: key, None, 10)
    page_by_key(KEYS, show, token, 10)

    assert read == KEYS[10:21]


def test_what_is_added_meanwhile_moves_nothing_to_another_page() -> None:
    first, token = page_by_key(KEYS, lambda key: key, None, 10)

    second, _ = page_by_key(sorted([*KEYS, "000-added"]), lambda key: key, token, 10)

    assert [*first, *second] == KEYS[:20]


def test_a_token_of_another_list_is_refused() -> None:
    _, token = page(KEYS, None, 10)

    with pytest.raises(ValueError, match=r"."):
        page_by_key(KEYS, lambda key: key, token, 10)


@given(
    changes=st.lists(
        st.tuples(st.sampled_from(KEYS[:4]), st.sampled_from(LocalStatus), st.booleans())
    )
)
def test_the_tally_is_that_of_the_current_memberships(
    changes: list[tuple[str, LocalStatus, bool]],
) -> None:
    memberships = Memberships()
    place = ("guardduty", "eu-west-1", "111122223333")
    for account_id, status, organization in changes:
        one = memberships.make(*place, account_id)
        memberships.record(one, Change(0, status, organization=organization))

    current = [one.current for one in memberships.of_administrator(*place)]
    present = [one for one in current if one.status is not LocalStatus.GONE]
    tally = memberships.tally(*place)
    assert tally.present == len(present)
    assert tally.invited == sum(not one.organization for one in present)
    assert tally.counted == sum(one.status not in OPEN_TO_CREATION for one in present)
