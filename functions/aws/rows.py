"""Items of a DynamoDB table as plain values; a failed condition is a result, not an error."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from functions.aws.calls import calling
from functions.enrolment.errors import Conflict, Throttled, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

R = TypeVar("R")
Item = dict[str, Any]

MOST_WRITTEN = 25  # BatchWriteItem
MOST_READ = 100  # BatchGetItem
MOST_TRANSACTED = 100  # TransactWriteItems
MOST_TRIES = 4


@dataclass(frozen=True, slots=True)
class Write:
    """An item to put; ``seen`` is the ``revision`` it must have now: 0 for no row, None for any."""

    item: Item
    seen: int | None = None


class Rows:
    """The items of a table with the keys ``pk`` and ``sk``. Reads are strongly consistent,
    unless said otherwise.

    ``unread`` takes what ``readable`` leaves out. The unprocessed part of a batch is retried at
    once, up to ``MOST_TRIES`` requests; then ``Throttled`` is raised and the step is retried later.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        unread: Callable[[Unreadable], None] | None = None,
    ) -> None:
        self._client = client
        self._table = table
        self._unread = unread

    def readable(
        self,
        items: Iterable[Item],
        read: Callable[[Item], R],
        unread: Callable[[Unreadable], object] | None = None,
    ) -> Iterator[R]:
        """What ``read`` makes of each item; those that it cannot read are left out.

        ``unread`` takes the place of that of the table.

        Raises:
            Unreadable: of an item, unless there is ``unread`` to take it.
        """
        unread = unread or self._unread
        for item in items:
            try:
                found = read(item)
            except Unreadable as error:
                if unread is None:
                    raise
                unread(error)
            else:
                yield found

    def get(self, key: Item) -> Item | None:
        """One item."""
        with calling("DynamoDB", "GetItem"):
            answer = self._client.get_item(
                TableName=self._table, Key=_typed(key), ConsistentRead=True
            )
        return _plain(answer["Item"]) if "Item" in answer else None

    def put(self, item: Item) -> None:
        """Write one item, replacing an existing one."""
        with calling("DynamoDB", "PutItem"):
            self._client.put_item(TableName=self._table, Item=_typed(item))

    def put_if(self, item: Item, condition: str, values: Mapping[str, Any] | None) -> bool:
        """Write one item if a condition holds, replacing an existing one; return whether it did.

        ``values`` are those of the condition, None if it has none: DynamoDB refuses an empty map.
        """
        refusal = self._client.exceptions.ConditionalCheckFailedException
        request: dict[str, Any] = {"Item": _typed(item), "ConditionExpression": condition}
        if values is not None:
            request["ExpressionAttributeValues"] = _typed(values)
        with calling("DynamoDB", "PutItem"):
            try:
                self._client.put_item(TableName=self._table, **request)
            except refusal:
                return False
        return True

    def transact(self, writes: Sequence[Write]) -> frozenset[int]:
        """Do all of up to 100 writes or none; return the indexes of those whose condition failed.

        boto3 adds a token to the request, so that repeating one that took effect changes nothing.

        Raises:
            Conflict: in every try, another transaction was in progress on one of the items.
        """
        canceled = self._client.exceptions.TransactionCanceledException
        puts: Any = [{"Put": self._put(write)} for write in writes]
        for _ in range(MOST_TRIES):
            with calling("DynamoDB", "TransactWriteItems"):
                try:
                    self._client.transact_write_items(TransactItems=puts)
                except canceled as error:
                    codes = [r.get("Code", "") for r in error.response["CancellationReasons"]]
                else:
                    return frozenset()
            refused = frozenset(
                number for number, code in enumerate(codes) if code == "ConditionalCheckFailed"
            )
            if refused:
                return refused
            if "TransactionConflict" not in codes:
                why = ", ".join(sorted(set(codes) - {"None"}))
                raise Throttled(f"DynamoDB canceled a transaction: {why}")
        raise Conflict("DynamoDB: other transactions are under way on the same items")

    def _put(self, write: Write) -> dict[str, Any]:
        put: dict[str, Any] = {"TableName": self._table, "Item": _typed(write.item)}
        if write.seen == 0:
            # Also matches rows of versions that did not count revisions.
            put["ConditionExpression"] = "attribute_not_exists(revision)"
        elif write.seen is not None:
            put["ConditionExpression"] = "revision = :seen"
            put["ExpressionAttributeValues"] = _typed({":seen": write.seen})
        return put

    def update(
        self, key: Item, expression: str, condition: str, values: Mapping[str, Any]
    ) -> tuple[bool, Item]:
        """Whether the condition held, and the item: updated if it did, else as it is."""
        refusal = self._client.exceptions.ConditionalCheckFailedException
        with calling("DynamoDB", "UpdateItem"):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_typed(key),
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=_typed(values),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except refusal as error:
                # The type stubs leave the item out.
                found: Any = error.response.get("Item", {})
                return False, _plain(found)
        return True, _plain(answer["Attributes"])

    def set_once(self, key: Item, attribute: str, value: str) -> bool:
        """Set an attribute of an existing item, unless it is set; return whether it was set now.

        ``attribute`` is used in an expression: letters, digits and underscores.
        """
        first, _ = self.update(
            key,
            f"SET {attribute} = :value",
            f"attribute_exists(pk) AND attribute_not_exists({attribute})",
            {":value": value},
        )
        return first

    def query(self, pk: str, begins_with: str = "") -> Iterable[Item]:
        """The items with one ``pk`` whose ``sk`` begins as given, from all pages, by ``sk``."""
        condition, values = "pk = :pk", {":pk": pk}
        if begins_with:
            condition, values = (
                f"{condition} AND begins_with(sk, :sk)",
                values | {":sk": begins_with},
            )
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": _typed(values),
            "ConsistentRead": True,
        }
        return _of_all_pages("Query", self._client.query, request)

    def scan(self, segment: int, total: int, begins_with: str) -> Iterable[Item]:
        """The items of one of ``total`` segments of the table whose ``pk`` begins as given.

        Eventually consistent. Segments can be read by several threads at once.
        """
        request: dict[str, Any] = {
            "TableName": self._table,
            "Segment": segment,
            "TotalSegments": total,
            "FilterExpression": "begins_with(pk, :pk)",
            "ExpressionAttributeValues": _typed({":pk": begins_with}),
        }
        return _of_all_pages("Scan", self._client.scan, request)

    def newest(
        self, index: str, kind: str, since: float = 0, limit: int | None = None
    ) -> Iterable[Item]:
        """The items of a ``kind`` in an index, newest first, no more than ``limit``.

        Only those with ``started_at`` of at least ``since``. Eventually consistent; each page is
        read when needed.
        """
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": "kind = :kind AND started_at >= :since",
            "ExpressionAttributeValues": _typed({":kind": kind, ":since": since}),
            "ScanIndexForward": False,
        }
        if limit is not None:
            request["Limit"] = limit
        return islice(_of_all_pages("Query", self._client.query, request), limit)

    def get_all(self, keys: Iterable[Item]) -> Iterable[Item]:
        """The existing items with these keys, in no particular order."""
        wanted = [_typed(key) for key in keys]
        for start in range(0, len(wanted), MOST_READ):
            request: Any = {
                self._table: {
                    "Keys": wanted[start : start + MOST_READ],
                    "ConsistentRead": True,
                }
            }
            for _ in range(MOST_TRIES):
                with calling("DynamoDB", "BatchGetItem"):
                    answer = self._client.batch_get_item(RequestItems=request)
                yield from map(_plain, answer["Responses"].get(self._table, ()))
                request = answer["UnprocessedKeys"]
                if not request:
                    break
            else:
                raise Throttled("DynamoDB left keys of a batch unread")

    def put_all(self, items: Iterable[Item]) -> None:
        """Write items, replacing existing ones; no key may occur twice."""
        puts = [{"PutRequest": {"Item": _typed(item)}} for item in items]
        for start in range(0, len(puts), MOST_WRITTEN):
            request: Any = {self._table: puts[start : start + MOST_WRITTEN]}
            for _ in range(MOST_TRIES):
                with calling("DynamoDB", "BatchWriteItem"):
                    answer = self._client.batch_write_item(RequestItems=request)
                request = answer["UnprocessedItems"]
                if not request:
                    break
            else:
                raise Throttled("DynamoDB left items of a batch unwritten")


def _of_all_pages(
    operation: str, read: Callable[..., Any], request: Mapping[str, Any]
) -> Iterator[Item]:
    """The items of a query or scan; each page is read when needed."""
    start: dict[str, Any] = {}
    while True:
        with calling("DynamoDB", operation):
            page = read(**request, **start)
        yield from map(_plain, page["Items"])
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def to_dynamodb(value: Any) -> Any:
    """The value in boto3's types: floats as ``Decimal``, in their shortest representation."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: to_dynamodb(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_dynamodb(part) for part in value]
    return value


def _typed(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item, or the values of an expression, as the client takes it: each value with its type."""
    return {name: _SERIALIZER.serialize(to_dynamodb(value)) for name, value in item.items()}


def _plain(item: Mapping[str, Any]) -> Item:
    return {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}


_SERIALIZER, _DESERIALIZER = TypeSerializer(), TypeDeserializer()
