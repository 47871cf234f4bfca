"""Targets: one service in one Region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import Unreadable
from functions.enrolment.service import Service, find_service
from functions.enrolment.stored import a_text, required

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One service in one Region."""

    service: Service
    region: str

    @property
    def key(self) -> str:
        """``service#region``, as in the table's keys."""
        return f"{self.service.name}#{self.region}"

    @property
    def comes_after(self) -> Target | None:
        """The target that is enrolled before this one, if there is one."""
        first = self.service.comes_after
        return None if first is None else Target(first, self.region)


def read_target(services: Iterable[Service], name: object, region: str) -> Target:
    """The target of a service's name and a Region.

    Raises:
        ValueError: none of these services has the name.
    """
    service = find_service(services, name)
    if service is None:
        raise ValueError(f"there is no service {name}")
    return Target(service, region)


def target_of(stored: Mapping[str, Any], services: Iterable[Service]) -> Target:
    """The target that the fields ``service`` and ``region`` of what is stored name.

    Raises:
        Unreadable: it names none, or none of these services.
    """
    name, region = (required(stored, field, a_text) for field in ("service", "region"))
    service = find_service(services, name)
    if service is None:
        raise Unreadable("service", "takes a service that this version knows")
    return Target(service, region)
