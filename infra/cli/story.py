"""What is told about memberships, for people: places, times, transitions and attempts. Pure."""

from __future__ import annotations

import re
import textwrap
from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.enrolment.explain import answer_of
from functions.enrolment.text import one_line, redact
from functions.enrolment.times import duration, iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from functions.enrolment.membership import Membership
    from functions.enrolment.target import Target

_TIMES = re.compile(r"[0-9T:-]{19}(\.\d+)?Z( \([^)]*\))?")
# The parts of a reason after what is the case (functions.enrolment.explain).
_LATER_PART = re.compile(r"; (?:\S+ since [0-9T:-]{19}Z|last tried: |to do: )")
_TO_DO = "; to do: "
_BENEATH = " " * 14
_LONGEST = 10_000


def printable(value: Any) -> Any:
    """A JSON value from elsewhere as it can be shown: each text is one line without addresses."""
    match value:
        case str():
            return one_line(redact(value), _LONGEST)
        case dict():
            return {printable(key): printable(each) for key, each in value.items()}
        case list():
            return [printable(each) for each in value]
    return value


def without_place_and_time(text: str, target: Target) -> str:
    """A text without what differs between targets."""
    for place in (target.region, target.service.label, str(target.service)):
        text = text.replace(place, "")
    return _TIMES.sub("", text)


def of_all(text: str, targets: Sequence[Target]) -> str:
    """What is said of the first of several targets, said of all of them."""
    first = targets[0]
    if any(each.region != first.region for each in targets):
        text = text.replace(f"in {first.region}", "in each Region")
    if any(each.service != first.service for each in targets):
        text = text.replace(first.service.label, "the service")
    return text


def what_of(reason: str) -> str:
    """What is the case, according to a reason's text."""
    return _LATER_PART.split(reason)[0]


def remedy_of(reason: str) -> str:
    """What a person can do, according to a reason's text; "" if nothing."""
    return reason.rpartition(_TO_DO)[2] if _TO_DO in reason else ""


def places(targets: Iterable[Target]) -> str:
    """Targets by service, such as ``GuardDuty eu-west-1, us-east-1; Detective eu-west-1``."""
    regions: dict[str, list[str]] = {}
    for target in targets:
        regions.setdefault(target.service.label, []).append(target.region)
    return "; ".join(f"{label} {', '.join(sorted(each))}" for label, each in regions.items())


def ago(at: float, now: float) -> str:
    """A time and how long ago it was, or in how long it will be."""
    span = f"in {duration(at - now)}" if at > now else f"{duration(now - at)} ago"
    return f"{iso(at, 'seconds')} ({span})"


def history(membership: Membership) -> dict[str, Any]:
    """The transitions and attempts of the run that a membership belongs to, for documents.

    An attempt of an earlier run, which this one knows of, has the count 0.
    """
    return {
        "transitions": [
            {"status": each.status, "at": iso(each.at)} for each in membership.transitions
        ],
        "transitions_omitted": membership.transition_count - len(membership.transitions),
        "attempts": [
            {
                "action": str(action),
                "count": attempt.count,
                "at": iso(attempt.at),
                "answer": answer_of(attempt),
            }
            for action, attempt in sorted(membership.attempts.items(), key=lambda each: each[1].at)
        ],
    }


def told_transitions(document: Mapping[str, Any]) -> str:
    """The statuses that ``history`` has, and when each was first seen."""
    seen = [f"{each['status']} {seconds(each['at'])}" for each in document["transitions"]]
    omitted = document["transitions_omitted"]
    if omitted:
        seen.insert(1, f"... ({omitted} more)")
    return ", then ".join(seen)


def told_attempts(document: Mapping[str, Any]) -> Iterator[str]:
    """One text for each action that ``history`` has."""
    for each in document["attempts"]:
        if each["count"] == 0:
            yield f"{each['action']} by an earlier run at {seconds(each['at'])}: {each['answer']}"
        elif each["count"] == 1:
            yield f"{each['action']} at {seconds(each['at'])}: {each['answer']}"
        else:
            times = f"{each['action']} {each['count']} times"
            yield f"{times}, last at {seconds(each['at'])}: {each['answer']}"


def beneath(text: str, width: int) -> list[str]:
    """Text in lines of ``width``, indented so that they stand out from a line above."""
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=_BENEATH,
        subsequent_indent=_BENEATH,
        break_long_words=False,
        break_on_hyphens=False,
    )


def paragraph(text: str, width: int | None, indent: str = "  ") -> str:
    """Text with a hanging indent of two more characters, in lines of ``width`` if that is given."""
    if width is None:
        return indent + text
    return textwrap.fill(
        text,
        max(width, 40),
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def seconds(at: str) -> str:
    """A document's time without its milliseconds."""
    return iso(datetime.fromisoformat(at).timestamp(), "seconds")
