from __future__ import annotations

import pytest

from functions.enrolment.account import AccountState, OrganizationAccount
from tests.support.builders import ACCOUNT

PATH = f"o-aa111bb222/r-ab12/ou-ab12-11111111/ou-ab12-22222222/{ACCOUNT}/"


@pytest.mark.parametrize(
    ("unit", "below"),
    [
        ("ou-ab12-22222222", True),
        ("ou-ab12-11111111", True),
        ("r-ab12", True),
        ("o-aa111bb222/r-ab12/ou-ab12-11111111/", True),
        ("/ou-ab12-11111111/", True),
        ("ou-ab12-1111111", False),
        ("ou-ab12-11111111X", False),
        ("ou-ab12-33333333", False),
        (ACCOUNT, False),
    ],
)
def test_an_account_is_in_each_unit_above_it(unit: str, below: bool) -> None:
    account = OrganizationAccount(ACCOUNT, "", AccountState.ACTIVE, PATH)

    assert account.is_in(unit) is below


def test_an_account_whose_path_is_unknown_is_in_no_unit() -> None:
    assert not OrganizationAccount(ACCOUNT, "", AccountState.ACTIVE).is_in("r-ab12")
