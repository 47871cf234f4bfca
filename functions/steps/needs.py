"""What a step needs, stated beside its handler: the stack gives its function that and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Verb = Literal["observe", "list", "automation", "create", "invite", "restart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """``timeout`` in seconds, ``memory`` in MB, and the IAM actions by what they are done on.

    ``index`` are done on the table's index by time.
    ``executions`` are done on executions of the machine of onboardings, ``reconciles`` on those of
    the machine of reconciles; ``starts`` on the machine of onboardings itself. ``services`` are
    what the step does at every service, as its administrator. ``surveys`` are done on the bucket's
    documents of surveys. ``publishes``: it puts events on the bus, messages on the topic and
    documents into the bucket; ``results`` are done on those documents beside that. A step with
    actions on the ``member_role`` is not there where no such role is configured.
    """

    timeout: int
    memory: int = 512
    table: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    organization: tuple[str, ...] = ()
    executions: tuple[str, ...] = ()
    reconciles: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    surveys: tuple[str, ...] = ()
    services: tuple[Verb, ...] = ()
    publishes: bool = False
    results: tuple[str, ...] = ()
    member_role: tuple[str, ...] = ()


def actions_of(actions: Mapping[str, tuple[str, ...]], *methods: str) -> tuple[str, ...]:
    """The IAM actions of some of an adapter's methods, from the list beside their calls."""
    return tuple(action for method in methods for action in actions[method])
