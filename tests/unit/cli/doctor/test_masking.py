"""Records that are saved identify nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cli.doctor.masking import Masking
from tests.support.event_samples import SAMPLES as NAMES
from tests.support.events import sample

hexadecimal = st.sampled_from("0123456789abcdef")
lower = st.sampled_from("abcdefghijklmnopqrstuvwxyz")


def _joined(alphabet: st.SearchStrategy[str], size: int) -> st.SearchStrategy[str]:
    return st.lists(alphabet, min_size=size, max_size=size).map("".join)


# Beyond the numbers that replacements begin with.
accounts = st.integers(200_000_000_000, 999_999_999_999).map(str)
people = st.from_regex(r"[A-Z][a-z]{4,9} [A-Z][a-z]{4,9}", fullmatch=True)
e_mails = st.builds("{}@{}.org".format, _joined(lower, 7), _joined(lower, 6))
uuids = st.uuids(version=4).map(str)
organizations = st.builds("{}-{}".format, st.sampled_from(["o", "h", "r"]), _joined(lower, 12))
units = st.builds("ou-{}-{}".format, _joined(lower, 4), _joined(lower, 8))
addresses = st.ip_addresses(v=4, network="203.0.0.0/8").map(str) | st.ip_addresses(v=6).map(
    lambda one: one.exploded
)
keys = st.builds("ASIA{}".format, _joined(st.sampled_from("ABCDEFGHIJ234567"), 16))
names = st.builds("{}_{}".format, _joined(lower, 8), _joined(lower, 5))
identifiers = accounts | people | e_mails | uuids | organizations | units | addresses | keys | names
arns = st.builds(
    "arn:aws:{}::{}:{}/{}".format,
    st.sampled_from(["iam", "sts", "organizations", "s3"]),
    accounts,
    st.sampled_from(["role", "user", "account", "assumed-role"]),
    identifiers,
)
texts = identifiers | arns
fields = st.sampled_from(["accountId", "userName", "name", "parties", "something", "arn", "id"])
bodies = st.recursive(
    texts,
    lambda inner: st.dictionaries(fields, inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=8,
)


def _parts(value: Any) -> set[str]:
    """Everything that identifies: texts, and the parts of ARNs after the service."""
    if isinstance(value, dict):
        return set().union(*map(_parts, value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*map(_parts, value)) if value else set()
    if not value.startswith("arn:"):
        return {value}
    account, rest = value.split(":", 5)[4:]
    return {value, account, rest.partition("/")[2]}


@given(bodies)
def test_nothing_that_identifies_is_left(body: Any) -> None:
    saved = json.dumps(Masking().masked({"eventName": "X", "detail": body}))

    assert [part for part in _parts(body) if part in saved] == []


@given(texts)
def test_the_same_text_has_the_same_replacement_and_others_another(text: str) -> None:
    masking = Masking()
    first, other, again = (masking.masked(one, "id") for one in (text, "012345678901", text))

    assert first == again
    assert first != other


@given(accounts)
def test_an_account_in_an_arn_is_replaced_as_elsewhere(account: str) -> None:
    masked = Masking().masked([f"arn:aws:iam::{account}:role/Admin", account])

    assert masked == ["arn:aws:iam::100000000001:role/text-1", "100000000001"]


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_keeps_its_form(name: str) -> None:
    """What the intake reads is understood in the same way afterwards."""
    event = sample(name)
    masked = Masking().masked(event["detail"])

    assert isinstance(masked, dict)
    assert masked.keys() == event["detail"].keys()
    for kept in ("eventName", "eventSource", "eventType", "eventVersion", "eventTime", "status"):
        assert masked.get(kept) == event["detail"].get(kept)
    saved, known = json.dumps(masked), ("111122223333", "444455556666", "555566667777")
    assert [account for account in known if account in saved] == []


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("state", "SUCCEEDED", True),
        ("state", "444455556666", False),
        ("userAgent", "SUCCEEDED", False),
        ("eventSource", "organizations.amazonaws.com", True),
        ("sourceIPAddress", "AWS Internal", True),
        ("sourceIPAddress", "controltower.amazonaws.com", True),
        ("sourceIPAddress", "jane.amazonaws.com", False),
        ("anything", "2026-11-20T10:00:00Z", True),
        ("anything", "Nov 20, 2026 8:26:54 AM", True),
        ("anything", True, True),
        ("anything", None, True),
        ("anything", 1_790_000_000_123, True),
        ("anything", 444455556666, False),
    ],
)
def test_what_is_kept_is_listed(field: str, value: object, kept: bool) -> None:
    assert (Masking().masked({field: value}) == {field: value}) is kept


def test_a_field_whose_name_is_an_id_is_renamed() -> None:
    assert "444455556666" not in json.dumps(Masking().masked({"444455556666": 1}))
