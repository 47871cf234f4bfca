"""Looks at every write of a membership's row and of the lock of reconciles, as it takes effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.machine import RUNNING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.site import Site

    Item = Mapping[str, Any]


class Writes:
    """``lost`` are writes that replaced one that their writer had not read; ``taken`` are
    memberships and locks that were taken from a run or reconcile at work; ``addresses`` are texts
    with an e-mail address; ``seen`` counts.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.seen = 0
        self.lost: list[str] = []
        self.taken: list[str] = []
        self.addresses: list[str] = []
        table = site.table
        put = table._put

        def looked_at(item: Item) -> None:
            before = table.items.get((item["pk"]["S"], item["sk"]["S"]))
            put(item)
            if "@" in (text := str(item)):
                self.addresses.append(text)
            if item["pk"]["S"].startswith("account#"):
                self._row(before, item)
            elif item["pk"]["S"] == "reconcile":
                self._lock(before, item)

        table._put = looked_at  # type: ignore[method-assign]  # to see every write

    def _row(self, before: Item | None, item: Item) -> None:
        self.seen += 1
        what = f"{item['pk']['S']} {item['sk']['S']}"
        expected = _revision(before) + 1
        if _revision(item) != expected:
            self.lost.append(
                f"{what}: {_text(item, 'onboarding_id')} wrote revision {_revision(item)}"
                f" in place of {expected - 1} of {_text(before or {}, 'onboarding_id')}"
            )
        if before is None or "outcome" in before or _text(before, "mode") != _text(item, "mode"):
            return
        owner, taker = _text(before, "onboarding_id"), _text(item, "onboarding_id")
        # A step that cannot reach the table, or is not run again in time, lets its lease lapse.
        undisturbed = not self._site.troubles.struck
        if owner != taker and undisturbed and self._is_at_work(owner):
            self.taken.append(f"{what}: {taker} took it from {owner}, which was at work")

    def _lock(self, before: Item | None, item: Item) -> None:
        if before is None or "released_at" in before:
            return
        holder, taker = _text(before, "holder"), _text(item, "holder")
        if holder != taker and self._is_at_work(holder):
            self.taken.append(f"{taker} took the lock from {holder}, which was at work")

    def _is_at_work(self, name: str) -> bool:
        executions = self._site.machines.executions.values()
        return any(each.name == name and each.status == RUNNING for each in executions)


def _revision(item: Item | None) -> int:
    return int((item or {}).get("revision", {"N": 0})["N"])


def _text(item: Item, name: str) -> str:
    found = item.get(name, {}).get("S", "")
    return str(found)
