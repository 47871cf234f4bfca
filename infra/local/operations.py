"""docs/local-aws.md, generated: ``python -m infra.local.operations`` writes it.

The prose is in local-aws.template.md; each line ``<!-- NAME -->`` in it stands for the section of
that name in `SECTIONS`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.commands import COMMANDS
from infra.local.facts.at_aws import AT_AWS
from infra.local.facts.clock import ManualClock
from infra.local.facts.switches import SWITCHES
from infra.local.facts.timings import TIMINGS, OrNever
from infra.local.gateway.control import PREFIX, RESOURCES
from infra.local.gateway.faults import KEYS, KINDS
from infra.local.services.registry import SERVICES
from infra.local.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

PAGE = Path(__file__).parents[2] / "docs" / "local-aws.md"
TEMPLATE = Path(__file__).parent / "local-aws.template.md"
_MARK = re.compile(r"^<!-- (\w+) -->$", re.MULTILINE)


def page() -> str:
    """The page: the template with the sections made from the code.

    Raises:
        ValueError: the template does not have every section once.
    """
    template = TEMPLATE.read_text()
    if sorted(_MARK.findall(template)) != sorted(SECTIONS):
        raise ValueError(f"{TEMPLATE.name}: takes each of {', '.join(SECTIONS)} once")
    return _MARK.sub(lambda mark: "\n".join(SECTIONS[mark[1]]()), template)


def _control() -> Iterator[str]:
    yield from _table(
        ("Request", "What it does"),
        ((f"`{one.method} {PREFIX}{one.path}`", one.about) for one in RESOURCES),
    )
    yield ""
    yield "```console"
    for one in RESOURCES:
        yield f"$ {one.as_command('$AWS_ENDPOINT_URL')}"
    yield "```"


def _commands() -> Iterator[str]:
    return _table(
        ("`do`", "Keys; those after the semicolon are optional", "What it does"),
        ((f"`{name}`", about.keys, about.does) for name, about in COMMANDS.items()),
    )


def _faults() -> Iterator[str]:
    yield from _table(
        ("Kind", "What becomes of the call"), ((f"`{kind}`", KINDS[kind]) for kind in KINDS)
    )
    yield ""
    yield from _table(("Key", "What it takes"), ((f"`{key}`", KEYS[key]) for key in KEYS))


def _operations() -> Iterator[str]:
    world = World(ManualClock())
    return _table(
        ("Service", "Served; any other is answered UnknownOperationException"),
        (
            (f"{kind.label} `{kind.name}`", _coded(sorted(world.services[kind.name].operations)))
            for kind in SERVICES
        ),
    )


def _timings() -> Iterator[str]:
    named = [("all", TIMINGS), *((kind.label, kind.timings) for kind in SERVICES)]
    return _table(("Service", "Timing", "Here, in seconds", "At AWS", "Source"), _amounts(named))


def _limits() -> Iterator[str]:
    named = [(kind.label, kind.limits) for kind in SERVICES]
    return _table(("Service", "Limit", "Here", "At AWS", "Source"), _amounts(named))


def _amounts(named: Iterable[tuple[str, Mapping[str, float]]]) -> Iterator[Sequence[str]]:
    for label, amounts in named:
        for name, amount in amounts.items():
            never = " (null: never)" if isinstance(amount, OrNever) else ""
            at_aws = AT_AWS[name]
            yield label, f"`{name}`", f"{amount:,g}{never}", at_aws.amount, at_aws.source


def _switches() -> Iterator[str]:
    return _table(
        ("Switch", "Value", "Source"),
        (
            (f"`{name}`", f"`{value}`", source)
            for name, values in SWITCHES.items()
            for value, source in values.items()
        ),
    )


SECTIONS: Mapping[str, Callable[[], Iterable[str]]] = {
    "control": _control,
    "commands": _commands,
    "faults": _faults,
    "timings": _timings,
    "limits": _limits,
    "switches": _switches,
    "operations": _operations,
}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"


def _coded(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(page())
