"""A table in memory, in the place of DynamoDB's: the same answers, fast enough for every order of
requests. ``tests/unit/aws/test_memory_rows.py`` holds it against moto's DynamoDB.

What DynamoDB does as a unit is one *access*: one item read or written, or one transaction. A batch
and a query are not units: they read item by item, a batch in no order.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar
from zlib import crc32

from functions.aws.ledger import Ledger
from functions.aws.reconciles import Reconciles
from functions.aws.rows import MOST_READ, Rows
from functions.enrolment.errors import ServiceRefused
from functions.services import registry
from tests.support.expressions import holds, updated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from functions.aws.rows import Item, Write

T = TypeVar("T")
Key = tuple[str, str]
# The items as JSON, which is compared, hashed and never changed by whoever has read it.
Items = dict[Key, str]

_MOST_TRANSACTED = 100
_SORTED_BY = {"by-time": "started_at"}


def reconciles_on(rows: Rows) -> Reconciles:
    """Reconciles on other rows than a table's."""
    return Reconciles(rows, registry.SERVICES)


def ledger_on(rows: Rows) -> Ledger:
    """A ledger on other rows than a table's."""
    return Ledger(rows, registry.SERVICES)


class MemoryRows(Rows):
    """The rows of a table that is a dictionary."""

    def __init__(self) -> None:
        self.items: Items = {}
        self._unread = None

    def any_of(self, accesses: Sequence[Callable[[Items], T]]) -> tuple[int, T]:
        """Do one of several accesses that come in no order; its number, and its answer."""
        return 0, accesses[0](self.items)

    def access(self, do: Callable[[Items], T]) -> T:
        """Do one access."""
        return self.any_of([do])[1]

    def get(self, key: Item) -> Item | None:
        return _item(self.access(lambda items: items.get(_key(key))))

    def put(self, item: Item) -> None:
        self.access(lambda items: _put(items, item))

    def put_if(self, item: Item, condition: str, values: Mapping[str, Any] | None) -> bool:
        def do(items: Items) -> bool:
            held = holds(condition, _item(items.get(_key(item))) or {}, values or {})
            if held:
                _put(items, item)
            return held

        return self.access(do)

    def transact(self, writes: Sequence[Write]) -> frozenset[int]:
        keys = [_key(write.item) for write in writes]
        _refuse(not keys or len(keys) > _MOST_TRANSACTED, "length of transactItems")
        _refuse(len(set(keys)) < len(keys), "multiple operations on one item")

        def do(items: Items) -> frozenset[int]:
            revisions = [(_item(items.get(key)) or {}).get("revision") for key in keys]
            refused = frozenset(
                number
                for number, (write, revision) in enumerate(zip(writes, revisions, strict=True))
                if write.seen is not None and (revision or 0) != write.seen
            )
            if not refused:
                for write in writes:
                    _put(items, write.item)
            return refused

        return self.access(do)

    def update(
        self, key: Item, expression: str, condition: str, values: Mapping[str, Any]
    ) -> tuple[bool, Item]:
        def do(items: Items) -> tuple[bool, str | None]:
            before = _item(items.get(_key(key)))
            held = holds(condition, before or {}, values)
            if held:
                _put(items, updated(before or key, expression, values))
            return held, items.get(_key(key))

        held, after = self.access(do)
        return held, _item(after) or {}

    def query(self, pk: str, begins_with: str = "") -> Iterator[Item]:
        found = self.access(_next(pk, begins_with, after=""))
        while found is not None:
            (_, read), text = found
            yield _item(text) or {}
            found = self.access(_next(pk, begins_with, after=read))

    def scan(self, segment: int, total: int, begins_with: str) -> Iterator[Item]:
        keys = self.access(
            lambda items: [
                key
                for key in items
                if crc32(key[0].encode()) % total == segment and key[0].startswith(begins_with)
            ]
        )
        for key in keys:
            yield _item(self.access(_reading(key))) or {}

    def newest(
        self, index: str, kind: str, since: float = 0, limit: int | None = None
    ) -> list[Item]:
        order = _SORTED_BY[index]
        texts = self.access(lambda items: tuple(items.values()))
        found = [
            item
            for item in map(_item, texts)
            if item and item.get("kind") == kind and item[order] >= since
        ]
        return sorted(found, key=lambda item: item[order], reverse=True)[:limit]

    def get_all(self, keys: Iterable[Item]) -> Iterator[Item]:
        wanted = [_key(key) for key in keys]
        _refuse(len(set(wanted)) < len(wanted), "duplicates in the list of keys")
        for start in range(0, len(wanted), MOST_READ):
            readings = [_reading(key) for key in wanted[start : start + MOST_READ]]
            while readings:
                number, text = self.any_of(readings)
                del readings[number]
                if text is not None:
                    yield _item(text) or {}

    def put_all(self, items: Iterable[Item]) -> None:
        wanted = list(items)
        _refuse(len({_key(item) for item in wanted}) < len(wanted), "duplicates in the batch")
        for item in wanted:
            self.put(item)


def _refuse(refused: bool, why: str) -> None:
    if refused:
        raise ServiceRefused(f"ValidationException: {why}")


def _key(item: Item) -> Key:
    return item["pk"], item["sk"]


def _put(items: Items, item: Item) -> None:
    items[_key(item)] = json.dumps(item, sort_keys=True, default=_number)


def _item(text: str | None) -> Item | None:
    """Numbers as boto3 gives them."""
    if text is None:
        return None
    item: Item = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return item


def _number(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


def _reading(key: Key) -> Callable[[Items], str | None]:
    return lambda items: items.get(key)


def _next(pk: str, begins_with: str, after: str) -> Callable[[Items], tuple[Key, str] | None]:
    """Reading the first item with this ``pk`` whose ``sk`` begins as given and comes later."""

    def do(items: Items) -> tuple[Key, str] | None:
        meeting = [k for k in items if k[0] == pk and k[1] > after and k[1].startswith(begins_with)]
        return (min(meeting), items[min(meeting)]) if meeting else None

    return do
