"""The memory of a process and of all that it has started, sampled while something runs."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROCESSES = Path("/proc")
_SECONDS = 0.5


@dataclass(slots=True)
class Peak:
    """The largest resident sets seen, in MiB: of the process itself, of all its descendants
    together, and of both at one moment. ``descendants`` is the largest number of them."""

    own: float = 0.0
    others: float = 0.0
    together: float = 0.0
    descendants: int = 0

    def sample(self, root: int) -> None:
        """Look once at the process with the id ``root`` and its descendants."""
        tree = _tree(root)
        own = _resident(root)
        others = sum(_resident(one) for one in tree)
        self.own = max(self.own, own)
        self.others = max(self.others, others)
        self.together = max(self.together, own + others)
        self.descendants = max(self.descendants, len(tree))


@contextmanager
def sampled(root: int) -> Iterator[Peak]:
    """The peak, which grows for as long as the context lasts."""
    peak, ended = Peak(), threading.Event()

    def sample() -> None:
        while True:
            peak.sample(root)
            if ended.wait(_SECONDS):
                return

    sampling = threading.Thread(target=sample, daemon=True)
    sampling.start()
    try:
        yield peak
    finally:
        ended.set()
        sampling.join()


def _tree(root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for folder in _PROCESSES.iterdir():
        if folder.name.isdigit() and (parent := _parent(folder)) is not None:
            children.setdefault(parent, []).append(int(folder.name))
    found, left = set[int](), [root]
    while left:
        ours = children.get(left.pop(), [])
        found.update(ours)
        left += ours
    return found


def _parent(folder: Path) -> int | None:
    try:
        # The command, in parentheses, may have any characters in it.
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None  # it has ended


def _resident(process: int) -> float:
    """MiB; 0 for a process that has ended."""
    try:
        status = (_PROCESSES / str(process) / "status").read_text()
    except OSError:
        return 0.0
    _, found, rest = status.partition("VmRSS:")
    return int(rest.split()[0]) / 1024 if found else 0.0
