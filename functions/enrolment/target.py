"""Targets: one service in one Region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.enrolment.service import Service, find_service

if TYPE_CHECKING:
    from collections.abc import Iterable


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
