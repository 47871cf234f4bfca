"""JSONPaths as Rollcall's definitions use them: ``$``, ``$.a.b`` and the same of the context,
``$$``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATH = re.compile(r"(\$\$?)((?:\.\w+)*)")
_SUM = re.compile(r"States\.MathAdd\(([^,]+), (-?\d+)\)")


class Unsupported(Exception):
    """A definition has something that is not simulated; the text names it."""


class NoSuchPath(Exception):
    """A path that leads to nothing."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path into a state's input or, ``of_context``, into the context object."""

    names: tuple[str, ...]
    of_context: bool = False

    @classmethod
    def read(cls, text: object) -> Path:
        """Raises Unsupported for any other form of path."""
        found = _PATH.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise Unsupported(f"path {text}")
        return cls(tuple(found[2].split(".")[1:]), found[1] == "$$")

    def get(self, data: Any, context: Mapping[str, Any]) -> Any:
        """Raises NoSuchPath."""
        found: Any = context if self.of_context else data
        for name in self.names:
            if not isinstance(found, dict) or name not in found:
                raise NoSuchPath(".".join(self.names))
            found = found[name]
        return found

    def put(self, data: Any, value: Any) -> Any:
        """A copy of ``data`` with the value in this place."""
        if not self.names:
            return value
        name, rest = self.names[0], Path(self.names[1:])
        within = data if isinstance(data, dict) else {}
        return {**within, name: rest.put(within.get(name), value)}


@dataclass(frozen=True, slots=True)
class Sum:
    """``States.MathAdd`` of a path and a whole number: Step Functions rounds what is no whole
    number (guide, "Intrinsic functions")."""

    path: Path
    addend: int

    def get(self, data: Any, context: Mapping[str, Any]) -> int:
        """Raises NoSuchPath."""
        value = Decimal(str(self.path.get(data, context)))
        return int(value.quantize(Decimal(1), ROUND_HALF_UP)) + self.addend


def _read_field(text: object) -> Path | Sum:
    added = _SUM.fullmatch(text) if isinstance(text, str) else None
    return Path.read(text) if added is None else Sum(Path.read(added[1]), int(added[2]))


class Template:
    """An object of which the fields whose names end with ``.$`` are paths or sums."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._paths = {k[:-2]: _read_field(v) for k, v in fields.items() if k.endswith(".$")}
        self._fixed = {k: v for k, v in fields.items() if not k.endswith(".$")}
        for name, value in self._fixed.items():
            if isinstance(value, dict | list):
                raise Unsupported(f"object or list {name} in a template")

    def fill(self, data: Any, context: Mapping[str, Any]) -> dict[str, Any]:
        """Raises NoSuchPath."""
        found = {name: path.get(data, context) for name, path in self._paths.items()}
        return self._fixed | found
