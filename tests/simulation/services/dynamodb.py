"""DynamoDB with one table in memory: what Rollcall's requests need of it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from zlib import crc32

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from tests.simulation.services.reply import Asked, Errors, Refusal
from tests.simulation.services.wire import Json
from tests.support.expressions import holds, updated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from functions.aws.rows import Item
    from infra.local.wire.http import Request

    Key = tuple[str, str]
    # The types of values are part of them, as on the wire.
    Typed = Mapping[str, Any]
    Answer = Mapping[str, Any]

_SORTED_BY = {"by-time": "started_at"}
# "SerializeTransactItems": a token is remembered for ten minutes (DynamoDB API).
_TOKEN_SECONDS = 600
_READER, _WRITER = TypeDeserializer(), TypeSerializer()
_CONDITION = "ConditionalCheckFailedException"
_PARTS = {"Put": "dynamodb:PutItem"}
_NAME = re.compile(r"\w+")


class DynamoDb(Json):
    """``page`` is how many items a page of a query or scan has. Reads that are not consistent are
    as old as ``lag`` says in seconds.
    """

    errors = Errors(
        throttled=("ProvisionedThroughputExceededException", 400),
        failed=("InternalServerError", 500),
    )

    def __init__(
        self, arn: str, now: Callable[[], float], lag: Callable[[], float], page: int = 7
    ) -> None:
        self._arn = arn
        self._now = now
        self._lag = lag
        self._page = page
        self.items: dict[Key, Typed] = {}
        # What each write replaced, and when.
        self._before: list[tuple[float, Key, Typed | None]] = []
        self._tokens: dict[str, float] = {}

    def ask(self, operation: str, request: Request) -> Asked:
        given: dict[str, Any] = json.loads(request.body)
        resource = self._arn
        if "IndexName" in given:
            resource = f"{self._arn}/index/{given['IndexName']}"
        actions = {f"dynamodb:{operation}"}
        if operation == "TransactWriteItems":
            actions = {_PARTS[kind] for each in given["TransactItems"] for kind in each}
        share = None
        if operation in ("BatchGetItem", "BatchWriteItem"):
            share = partial(getattr(self, f"_{operation}"), given, half=True)
        do = partial(getattr(self, f"_{operation}"), given)
        return Asked(frozenset(actions), (resource,), do, share)

    def plain(self) -> list[Item]:
        """Every item, as plain values."""
        return [_plain(item) for item in self.items.values()]

    def replace(self, items: Iterable[Typed]) -> None:
        """Let the table have these items and no others, as if they had always been there."""
        self._before.clear()
        self.items = {_key(item): item for item in items}

    def _put(self, item: Typed) -> None:
        key, now = _key(item), self._now()
        self._before.append((now, key, self.items.get(key)))
        self.items[key] = item

    def _require(self, given: Mapping[str, Any], key: Key) -> None:
        condition = given.get("ConditionExpression")
        before = self.items.get(key)
        if condition is None or _test(condition, given)(before or {}):
            return
        wanted = given.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        found = {"Item": before} if wanted and before is not None else {}
        raise Refusal(_CONDITION, "The conditional request failed", members=found)

    def _GetItem(self, given: Mapping[str, Any]) -> Answer:
        assert given["ConsistentRead"]
        item = self.items.get(_key(given["Key"]))
        return {} if item is None else {"Item": item}

    def _PutItem(self, given: Mapping[str, Any]) -> Answer:
        self._require(given, _key(given["Item"]))
        self._put(given["Item"])
        return {}

    def _UpdateItem(self, given: Mapping[str, Any]) -> Answer:
        key = _key(given["Key"])
        self._require(given, key)
        before = _plain(self.items.get(key, given["Key"]))
        after = updated(before, given["UpdateExpression"], _plain(_values(given)))
        self._put({name: _WRITER.serialize(value) for name, value in after.items()})
        return {"Attributes": self.items[key]}

    def _TransactWriteItems(self, given: Mapping[str, Any]) -> Answer:
        token, now = given["ClientRequestToken"], self._now()
        if now < self._tokens.get(token, 0.0):
            return {}
        puts = [each["Put"] for each in given["TransactItems"]]
        keys = [_key(put["Item"]) for put in puts]
        if len(set(keys)) < len(keys) or len(keys) > 100:
            raise Refusal("ValidationException", "Transaction request cannot include that")
        reasons = [{"Code": self._reason(put, key)} for put, key in zip(puts, keys, strict=True)]
        if any(reason["Code"] != "None" for reason in reasons):
            raise _canceled(reasons)
        for put in puts:
            self._put(put["Item"])
        self._tokens[token] = now + _TOKEN_SECONDS
        return {}

    def _reason(self, put: Mapping[str, Any], key: Key) -> str:
        condition = put.get("ConditionExpression")
        held = condition is None or _test(condition, put)(self.items.get(key, {}))
        return "None" if held else _CONDITION.removesuffix("Exception")

    def conflict(self, request: Request) -> Refusal:
        """Another transaction is in progress on the first item."""
        count = len(json.loads(request.body)["TransactItems"])
        return _canceled([{"Code": "TransactionConflict"}] + [{"Code": "None"}] * (count - 1))

    def _BatchGetItem(self, given: Mapping[str, Any], *, half: bool = False) -> Answer:
        ((table, wanted),) = given["RequestItems"].items()
        assert wanted["ConsistentRead"]
        keys = wanted["Keys"]
        assert len({_key(key) for key in keys}) == len(keys) <= 100
        done = len(keys) // 2 if half else len(keys)
        found = [self.items[_key(key)] for key in keys[:done] if _key(key) in self.items]
        left = {table: {**wanted, "Keys": keys[done:]}} if done < len(keys) else {}
        return {"Responses": {table: found}, "UnprocessedKeys": left}

    def _BatchWriteItem(self, given: Mapping[str, Any], *, half: bool = False) -> Answer:
        ((table, puts),) = given["RequestItems"].items()
        assert len(puts) <= 25
        done = len(puts) // 2 if half else len(puts)
        for put in puts[:done]:
            self._put(put["PutRequest"]["Item"])
        return {"UnprocessedItems": {table: puts[done:]} if done < len(puts) else {}}

    def _Query(self, given: Mapping[str, Any]) -> Answer:
        order = _SORTED_BY.get(given.get("IndexName", ""), "sk")
        assert given.get("ConsistentRead", False) is (order == "sk")
        items = self.items if order == "sk" else self._past()
        holds_for = _test(given["KeyConditionExpression"], given)
        found = [(key, item) for key, item in items.items() if holds_for(item)]

        def position(entry: tuple[Key, Typed]) -> Any:
            return (_READER.deserialize(entry[1][order]), entry[0])

        found.sort(key=position, reverse=not given.get("ScanIndexForward", True))
        return self._paged(found, given)

    def _Scan(self, given: Mapping[str, Any]) -> Answer:
        mine = [
            (key, item)
            for key, item in sorted(self._past().items())
            if crc32(key[0].encode()) % given["TotalSegments"] == given["Segment"]
        ]
        page = self._paged(mine, given)
        holds_for = _test(given["FilterExpression"], given)
        return {**page, "Items": [item for item in page["Items"] if holds_for(item)]}

    def _paged(self, found: list[tuple[Key, Typed]], given: Mapping[str, Any]) -> dict[str, Any]:
        start = 0
        if "ExclusiveStartKey" in given:
            after = _key(given["ExclusiveStartKey"])
            start = next((n + 1 for n, (key, _) in enumerate(found) if key == after), len(found))
        end = start + min(self._page, given.get("Limit", self._page))
        page: dict[str, Any] = {"Items": [item for _, item in found[start:end]]}
        if end < len(found):
            last = found[end - 1][1]
            page["LastEvaluatedKey"] = {"pk": last["pk"], "sk": last["sk"]}
        return page

    def _past(self) -> dict[Key, Typed]:
        since, items = self._now() - self._lag(), dict(self.items)
        for at, key, item in reversed(self._before):
            if at <= since:
                break
            if item is None:
                items.pop(key, None)
            else:
                items[key] = item
        return items


def _canceled(reasons: list[dict[str, str]]) -> Refusal:
    codes = ", ".join(reason["Code"] for reason in reasons)
    return Refusal(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        members={"CancellationReasons": reasons},
    )


def _key(item: Typed) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _plain(item: Typed) -> Item:
    return {name: _READER.deserialize(value) for name, value in item.items()}


def _values(given: Mapping[str, Any]) -> Typed:
    values: Typed = given.get("ExpressionAttributeValues", {})
    return values


def _test(condition: str, given: Mapping[str, Any]) -> Callable[[Typed], bool]:
    """Whether a condition holds for an item, of which no more is read than the condition names."""
    names, values = set(_NAME.findall(condition)), _plain(_values(given))

    def holds_for(item: Typed) -> bool:
        named = {name: item[name] for name in names & item.keys()}
        return holds(condition, _plain(named), values)

    return holds_for


def typed(item: Mapping[str, Any]) -> dict[str, Any]:
    """A plain item as it is stored."""
    return {name: _WRITER.serialize(_decimal(value)) for name, value in item.items()}


def _decimal(value: Any) -> Any:
    return Decimal(repr(value)) if isinstance(value, float) else value
