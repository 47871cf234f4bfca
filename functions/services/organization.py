"""Shared by the adapters: what their organisation's configuration says a service does by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.enrolment.automation import Automatic, Automation

if TYPE_CHECKING:
    from functions.enrolment.errors import Permanent

# IAM's text for a missing permission; it quotes names that people chose.
_DENIED_BY_POLICY = "is not authorized to perform"


def not_delegated(error: Permanent, *texts: str) -> Automation:
    """``NOT_DELEGATED`` if the refusal contains one of a service's texts for another caller than
    the organisation's administrator in the Region; else raises ``error``.
    """
    said = str(error)
    if _DENIED_BY_POLICY in said or not any(text in said.casefold() for text in texts):
        raise error
    return Automation(Automatic.NOT_DELEGATED, said)
