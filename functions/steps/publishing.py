"""Publishes a result once on every channel, as an event and as a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.enrolment.errors import Permanent, RollcallError
from functions.enrolment.times import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

EVENT, MESSAGE = "event", "message"
# The message attribute ``kind``.
ONBOARDING, INTERIM, RECONCILE = "onboarding", "waiting", "reconcile"


def message_attributes(kind: str, document: Mapping[str, Any], *, complete: bool) -> dict[str, str]:
    """The attributes of the message with this document, as docs/events.md describes them."""
    attributes = {
        "kind": kind,
        "outcome": document["outcome"],
        "complete": "true" if complete else "false",
        "source": document["source"],
    }
    # SNS refuses an empty value; records of earlier versions may have no source.
    return {name: value for name, value in attributes.items() if value}


def unpublished(unfinished: Collection[str]) -> list[str]:
    """The channels among what a closed record says is unfinished."""
    return [channel for channel in (EVENT, MESSAGE) if channel in unfinished]


def late_note(unfinished: Collection[str], closed_at: float) -> tuple[str, ...]:
    """What a result says that is published long after its record was closed."""
    channels = unpublished(unfinished)
    if not channels:
        return ()
    return (f"the {' and the '.join(channels)} could not be published at {iso(closed_at)}",)


@dataclass(frozen=True, slots=True)
class Publication:
    """A result that is published.

    ``published`` are the ids of what was published before, by mark. ``keep`` persists the complete
    document and returns its URI. ``send`` publishes on a channel, with notes and that URI (None if
    it could not be persisted), and returns the id; ``mark`` stores the id under a mark.
    """

    published: Mapping[str, str]
    keep: Callable[[], str]
    send: Callable[[str, tuple[str, ...], str | None], str]
    mark: Callable[[str, str], object]


def publish_once(publication: Publication, *, last: bool = False) -> dict[str, str]:
    """Publish on every channel not yet published on.

    Returns the channels on which it could not be published, and why in a sentence.

    A failure of one channel is reported on the other. ``last``: nobody tries again, so that what
    cannot be published is only noted.

    Raises:
        Throttled, ServiceUnavailable, Conflict: try again, unless it is the ``last`` time.
    """
    uri, unkept = _keep(publication, last=last)
    problems: dict[str, str] = {}
    said: dict[str, int] = {}
    heals: RollcallError | None = None
    for channel in (EVENT, MESSAGE):
        try:
            _send(publication, channel, channel, (*unkept, *problems.values()), uri)
        except RollcallError as error:
            if last or isinstance(error, Permanent):
                problems[channel] = f"the {channel} could not be published: {error}"
            else:
                heals = heals or error
        else:
            said[channel] = len(problems)
    if heals is not None:
        raise heals
    for channel in [channel for channel, count in said.items() if count < len(problems)]:
        try:
            _send(publication, "again", channel, (*unkept, *problems.values()), uri)
        except RollcallError as error:
            if not (last or isinstance(error, Permanent)):
                raise
    return problems


def _send(
    publication: Publication, mark: str, channel: str, notes: tuple[str, ...], uri: str | None
) -> None:
    """Publish on one channel and record it as ``mark``; does nothing if it is recorded already."""
    if mark not in publication.published:
        publication.mark(mark, publication.send(channel, notes, uri))


def _keep(publication: Publication, *, last: bool) -> tuple[str | None, tuple[str, ...]]:
    """Persist the complete document; returns its URI, or None and why it could not be persisted."""
    try:
        return publication.keep(), ()
    except RollcallError as error:
        if not (last or isinstance(error, Permanent)):
            raise
        return None, (f"the complete document could not be kept: {error}",)
