"""docs/local-aws.md, generated: ``python -m infra.local.operations`` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.facts.clock import ManualClock
from infra.local.facts.switches import SWITCHES
from infra.local.facts.timings import TIMINGS, OrNever
from infra.local.services.registry import SERVICES
from infra.local.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PAGE = Path(__file__).parents[2] / "docs" / "local-aws.md"

_INTRODUCTION = """\
# The local AWS

Generated from `infra/local` by `python -m infra.local.operations`.

An AWS on this machine, for any program that speaks to AWS: the services listed here, with their
members, delays and refusals, and [MiniStack](https://pypi.org/project/ministack/) for all others,
on one port of 127.0.0.1.

```console
$ make setup
$ .venv-local/bin/python -m infra.local --help
$ .venv-local/bin/python -m infra.local --port 4566
```

Set `AWS_ENDPOINT_URL=http://127.0.0.1:4566`. The access key id is the id of the account that
calls; the secret access key is anything, since signatures are not verified. Nothing is kept when
the process ends.

## Control

Requests to `/_rollcall/`, bodies and answers in JSON; bad input is answered 400 with one line in
`error`.
"""

_CONTROL = (
    ("`GET health`", "answers once everything is served"),
    (
        "`POST world`",
        'changes a fact: `{"do": "add_account", ...}`; `infra/local/commands.py` lists them all',
    ),
    ("`GET state`", "memberships with their history, invitations, accounts, organizations"),
    ("`GET clock`, `POST clock`", 'the services\' time; `{"advance": seconds}` moves it'),
    (
        "`GET faults`, `POST faults`, `DELETE faults`",
        'which calls fail or lag: `{"kind": "throttling", "service": "guardduty"}`; '
        "`infra/local/gateway/faults.py` lists kinds and keys",
    ),
    ("`GET calls`, `DELETE calls`", "the calls of the services below, without their parameters"),
    ("`POST events`", "puts a whole event on a bus: `account`, `region`, `bus`, `event`"),
    ("`POST reset`", "empties everything"),
)

_AMOUNTS = """\

## Timings and limits

What `set_timings` and `set_limits` take, and what it is until then: seconds of the services'
clock, where AWS takes minutes to days, and counts.
"""

_SWITCHES = """\

## Switches

What `set_switches` takes, where AWS's behaviour is known in more than one way or is not known.
The first value of each is what it is until then.
"""


def page() -> str:
    """The page: the operations of every service, and the amounts that commands can change."""
    world = World(ManualClock())
    operations = [
        (f"{kind.label} `{kind.name}`", _coded(sorted(world.services[kind.name].operations)))
        for kind in SERVICES
    ]
    amounts = [
        ("all", _amounts(TIMINGS), ""),
        *((kind.label, _amounts(kind.timings), _amounts(kind.limits)) for kind in SERVICES),
    ]
    served = ("Service", "Served; any other is answered UnknownOperationException")
    lines = [
        _INTRODUCTION,
        *_table(("Request", "What it does"), _CONTROL),
        "\n## Operations\n",
        *_table(served, operations),
        _AMOUNTS,
        *_table(("Service", "Timings", "Limits"), amounts),
        _SWITCHES,
        *_table(("Switch", "Value", "Source"), _switches()),
    ]
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _switches() -> list[tuple[str, str, str]]:
    return [
        (f"`{name}`", f"`{value}`", source)
        for name, values in SWITCHES.items()
        for value, source in values.items()
    ]


def _coded(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _amounts(amounts: Mapping[str, float]) -> str:
    return ", ".join(
        f"`{name}` {amount:,g}" + (" (null: never)" if isinstance(amount, OrNever) else "")
        for name, amount in amounts.items()
    )


if __name__ == "__main__":
    PAGE.write_text(page())
