from __future__ import annotations

from typing import Any

import pytest

from functions.enrolment.errors import InvalidInput
from functions.enrolment.scope import Scope, read_scope
from tests.support.builders import ACCOUNT, OTHER

WORKLOADS = "o-aa111bb222/r-ab12/ou-ab12-workload/"
SANDBOX = f"{WORKLOADS}ou-ab12-sandbox1/"
PATH = f"{WORKLOADS}{ACCOUNT}/"


def test_without_a_scope_every_account_is_in() -> None:
    assert Scope().exclusion_reason(ACCOUNT, None, {}) is None


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        (Scope(exclude_accounts=(ACCOUNT,)), "the configuration excludes the account"),
        (Scope(exclude_paths=(WORKLOADS,)), f"the configuration excludes {WORKLOADS}"),
        (Scope(exclude_tags={"stage": "*"}), "the configuration excludes the tag stage=*"),
        (Scope(exclude_tags={"stage": "dev"}), "the configuration excludes the tag stage=dev"),
        (Scope(include_accounts=(OTHER,)), "the configuration does not include the account"),
        (Scope(include_paths=(SANDBOX,)), "the configuration does not include the account"),
        (Scope(include_tags={"stage": "prod"}), "the configuration does not include the account"),
        (
            Scope(include_paths=(WORKLOADS,), exclude_accounts=(ACCOUNT,)),
            "the configuration excludes the account",
        ),
    ],
)
def test_an_account_out_of_scope_is_told_why(scope: Scope, reason: str) -> None:
    assert scope.exclusion_reason(ACCOUNT, PATH, {"stage": "dev"}) == reason


@pytest.mark.parametrize(
    "scope",
    [
        Scope(exclude_paths=(SANDBOX,)),
        Scope(exclude_tags={"stage": "prod"}),
        Scope(include_paths=(WORKLOADS,)),
        Scope(include_accounts=(ACCOUNT,)),
        Scope(include_tags={"stage": "dev"}),
        Scope(include_tags={"stage": "*"}),
        Scope(include_paths=(SANDBOX,), include_accounts=(ACCOUNT,)),
    ],
)
def test_an_account_in_scope_is_in(scope: Scope) -> None:
    assert scope.exclusion_reason(ACCOUNT, PATH, {"stage": "dev"}) is None


def test_where_paths_matter_an_unknown_path_is_out() -> None:
    reason = Scope(exclude_paths=(SANDBOX,)).exclusion_reason(ACCOUNT, None, {})

    assert reason == "Organizations does not say where the account is, and the scope goes by that"


def test_what_is_written_is_what_is_read() -> None:
    scope = Scope((WORKLOADS,), (SANDBOX,), (ACCOUNT,), (OTHER,), {"a": "b"}, {"c": "*"})

    assert read_scope(scope.to_json(), "scope") == scope
    assert Scope().to_json() == {}


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        ({"include_paths": ["o-" + "x" * 1022 + "/"]}, "scope.include_paths[0]: takes a string"),
        ({"include_paths": ["ou-ab12"]}, "scope.include_paths[0]: takes a path such as o-"),
        ({"exclude_accounts": ["1"]}, "scope.exclude_accounts[0]: takes an account id"),
        (
            {"include_tags": {"stage": "x" * 257}},
            "scope.include_tags.stage: takes a string of 1 to 256 characters",
        ),
        ({"include_tags": []}, "scope.include_tags: takes a JSON object of 1 to 20 fields"),
        ({"paths": []}, "scope.paths: is not known here"),
    ],
)
def test_a_bad_scope_is_refused_by_its_key(value: Any, refusal: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_scope(value, "scope")

    assert str(refused.value).startswith(refusal)
