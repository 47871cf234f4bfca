"""What a transaction's answer means; conditions and values are in ``test_memory_rows.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.stub import Stubber

from functions.aws.rows import MOST_TRIES, Rows, Write
from functions.aws.sessions import Clients
from functions.enrolment.errors import Conflict, RollcallError, ServiceUnavailable, Throttled
from tests.unit.aws.support import REGION, a_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

WRITES = [Write({"pk": "a", "sk": number}, seen=1) for number in "123"]
REFUSED, BUSY = "ConditionalCheckFailed", "TransactionConflict"


@pytest.fixture
def dynamodb() -> DynamoDBClient:
    return Clients(a_session()).client("dynamodb", REGION)


@pytest.fixture
def rows(dynamodb: DynamoDBClient) -> Rows:
    return Rows(dynamodb, "rollcall")


@pytest.fixture
def stubber(dynamodb: DynamoDBClient) -> Iterator[Stubber]:
    with Stubber(dynamodb) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def cancel(stubber: Stubber, *codes: str) -> None:
    stubber.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


@pytest.mark.parametrize(
    ("codes", "refused"),
    [((REFUSED, "None", REFUSED), {0, 2}), (("None", REFUSED, BUSY), {1})],
)
def test_the_writes_whose_condition_did_not_hold_are_told(
    rows: Rows, stubber: Stubber, codes: tuple[str, ...], refused: set[int]
) -> None:
    cancel(stubber, *codes)

    assert rows.transact(WRITES) == refused


def test_a_transaction_that_met_another_is_tried_again(rows: Rows, stubber: Stubber) -> None:
    for _ in range(MOST_TRIES - 1):
        cancel(stubber, "None", BUSY, "None")
    stubber.add_response("transact_write_items", {})

    assert rows.transact(WRITES) == frozenset()


def test_an_index_is_read_page_by_page_and_no_further_than_wanted(
    rows: Rows, stubber: Stubber
) -> None:
    def page(*ids: str, goes_on: bool) -> None:
        key = {"pk": {"S": ids[-1]}}
        answer = {"Items": [{"pk": {"S": each}} for each in ids]}
        stubber.add_response("query", answer | ({"LastEvaluatedKey": key} if goes_on else {}))

    page("a", "b", goes_on=True)
    page("c", "d", goes_on=True)
    wanted = rows.newest("by-time", "onboarding", limit=3)
    assert [item["pk"] for item in wanted] == ["a", "b", "c"]

    page("a", "b", goes_on=True)
    page("c", goes_on=False)
    everything = rows.newest("by-time", "onboarding")
    assert [item["pk"] for item in everything] == ["a", "b", "c"]


def test_a_transaction_that_keeps_meeting_others_is_a_conflict(
    rows: Rows, stubber: Stubber
) -> None:
    for _ in range(MOST_TRIES):
        cancel(stubber, BUSY, "None", "None")

    with pytest.raises(Conflict, match="other transactions are under way"):
        rows.transact(WRITES)


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_that_is_canceled_otherwise_was_too_much(
    rows: Rows, stubber: Stubber, code: str
) -> None:
    cancel(stubber, "None", code, "None")

    with pytest.raises(Throttled, match=f"canceled a transaction: .*{code}"):
        rows.transact(WRITES)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("InternalServerError", 500, ServiceUnavailable),
        ("TransactionInProgressException", 400, Conflict),
        ("ProvisionedThroughputExceededException", 400, Throttled),
    ],
)
def test_another_error_of_a_transaction_is_ours(
    rows: Rows, stubber: Stubber, code: str, status: int, error: type[RollcallError]
) -> None:
    stubber.add_client_error("transact_write_items", code, http_status_code=status)

    with pytest.raises(error, match=f"^DynamoDB TransactWriteItems: {code}"):
        rows.transact(WRITES)
