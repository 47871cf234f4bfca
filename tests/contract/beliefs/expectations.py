"""What a belief expects of an answer. ``str`` of an expectation is its text in the table."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from functions.aws.calls import error_class
from functions.enrolment.membership import Verdict
from functions.services.answers import read_text, says_no_member

if TYPE_CHECKING:
    from collections.abc import Collection

    from functions.enrolment.errors import RollcallError
    from functions.services.record import ServiceRecord
    from tests.contract.beliefs.answers import Answer


class Expectation(Protocol):
    def holds(self, answer: Answer) -> bool | None:
        """Whether the answer is as expected; None if it has nothing the belief is about."""
        ...

    def shown(self, answer: Answer) -> str:
        """The part of the answer that the belief is about."""
        ...


@dataclass(frozen=True, slots=True)
class MemberApi:
    """Where the answers of a service's member operations differ: names of fields."""

    record: ServiceRecord
    members: str
    status: str
    reason: str

    def texts(self, answer: Answer) -> list[str]:
        """What the service says of accounts it did not process."""
        return [str(text) for text in answer.values(f"UnprocessedAccounts[].{self.reason}")]

    def statuses(self, answer: Answer) -> list[str]:
        return [str(status) for status in answer.values(f"{self.members}[].{self.status}")]

    def known_status(self, container: str = "") -> Expectation:
        """Every status there is one that Rollcall knows; by default the members'."""
        field = f"{container or self.members + '[]'}.{self.status}"
        return OneOf(field, self.record.statuses.keys(), "a status of functions/services")


@dataclass(frozen=True, slots=True)
class Present:
    """Every field is in the answer; a field of a list is in each of its items."""

    fields: tuple[str, ...]

    def __str__(self) -> str:
        return f"has {', '.join(self.fields)}"

    def holds(self, answer: Answer) -> bool | None:
        return None if self._lists_nothing(answer) else not self._missing(answer)

    def shown(self, answer: Answer) -> str:
        if answer.result is None:
            return error(answer)
        if self._lists_nothing(answer):
            return "an empty list"
        missing = self._missing(answer)
        return f"has no {', '.join(missing)}" if missing else "has them"

    def _missing(self, answer: Answer) -> list[str]:
        return [
            field
            for field in self.fields
            if len(answer.values(field)) < max(1, len(answer.values(_container(field))))
        ]

    def _lists_nothing(self, answer: Answer) -> bool:
        lists = {_container(field) for field in self.fields if "[]" in field}
        return answer.result is not None and any(not answer.values(one) for one in lists)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Every value at a path is one of those known; ``called`` is what they are together."""

    field: str
    known: Collection[str]
    called: str = ""

    def __str__(self) -> str:
        return f"{self.field} is {self.called or 'one of ' + ', '.join(sorted(self.known))}"

    def holds(self, answer: Answer) -> bool | None:
        if answer.result is None:
            return False
        values = answer.values(self.field)
        return set(values) <= set(self.known) if values else None

    def shown(self, answer: Answer) -> str:
        if answer.result is None:
            return error(answer)
        return ", ".join(sorted({str(value) for value in answer.values(self.field)})) or "none"


@dataclass(frozen=True, slots=True)
class Matches:
    """The value at a path has a form, which ``form`` describes and ``pattern`` matches."""

    field: str
    form: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.field} has the form {self.form}"

    def holds(self, answer: Answer) -> bool | None:
        values = answer.values(self.field)
        return bool(values) and all(re.fullmatch(self.pattern, str(value)) for value in values)

    def shown(self, answer: Answer) -> str:
        if answer.result is None:
            return error(answer)
        return ", ".join(str(value) for value in answer.values(self.field)) or "none"


@dataclass(frozen=True, slots=True)
class Refused:
    """An error: one of the codes, and a text with one of the parts; none of them means any.

    A denial by IAM is one only if a part of its text is expected.
    """

    codes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        code = " or ".join(self.codes) or "an error"
        parts = " or ".join(f'"{part}"' for part in self.parts)
        return f"{code} with {parts}" if parts else code

    def holds(self, answer: Answer) -> bool | None:
        if (answer.denied and not self.parts) or (answer.hindrance and not self.codes):
            return None
        text = answer.text.casefold()
        return (
            answer.result is None
            and answer.reached
            and (not self.codes or answer.code in self.codes)
            and (not self.parts or any(part.casefold() in text for part in self.parts))
        )

    def shown(self, answer: Answer) -> str:
        return error(answer) or "no error"


@dataclass(frozen=True, slots=True)
class RefusedAs:
    """An error that Rollcall converts to this class, by its code or HTTP status."""

    kind: type[RollcallError]

    def __str__(self) -> str:
        return f"an error that is read as {self.kind.__name__}"

    def holds(self, answer: Answer) -> bool | None:
        return answer.reached and error_class(answer.code, answer.status) is self.kind

    def shown(self, answer: Answer) -> str:
        return error(answer) or "no error"


@dataclass(frozen=True, slots=True)
class NoMember:
    """GetMembers of an account that is no member: not returned, and no text that says otherwise."""

    api: MemberApi

    def __str__(self) -> str:
        return "the account is not returned, or with a text that it is not a member"

    def holds(self, answer: Answer) -> bool | None:
        record = self.api.record
        return (
            answer.result is not None
            and not answer.values(f"{self.api.members}[]")
            and all(says_no_member(record, text) for text in self.api.texts(answer))
        )

    def shown(self, answer: Answer) -> str:
        if answer.result is None:
            return error(answer)
        return _texts(self.api, answer) or (
            f"status {', '.join(self.api.statuses(answer))}"
            if answer.values(f"{self.api.members}[]")
            else "not returned"
        )


@dataclass(frozen=True, slots=True)
class Processed:
    """The service's text about the account, as Rollcall reads it; ``TAKEN`` means no text."""

    api: MemberApi
    verdict: Verdict

    def __str__(self) -> str:
        if self.verdict is Verdict.TAKEN:
            return "the account is processed"
        return f"a text about the account that is read as {self.verdict.name}"

    def holds(self, answer: Answer) -> bool | None:
        texts = self.api.texts(answer)
        verdicts = {read_text(self.api.record, text).verdict for text in texts}
        return answer.result is not None and (verdicts or {Verdict.TAKEN}) == {self.verdict}

    def shown(self, answer: Answer) -> str:
        if answer.result is None:
            return error(answer)
        return _texts(self.api, answer) or "processed"


@dataclass(frozen=True, slots=True)
class SaysOfSome:
    """At least one account is not processed, with a text that has this part."""

    api: MemberApi
    part: str

    def __str__(self) -> str:
        return f'an account is not processed with "{self.part}"'

    def holds(self, answer: Answer) -> bool | None:
        return any(self.part.casefold() in text.casefold() for text in self.api.texts(answer))

    def shown(self, answer: Answer) -> str:
        if answer.result is None:
            return error(answer)
        return _texts(self.api, answer) or "all processed"


@dataclass(frozen=True, slots=True)
class Count:
    """A list has at most so many items."""

    field: str
    most: int

    def __str__(self) -> str:
        return f"{self.field} has at most {self.most} items"

    def holds(self, answer: Answer) -> bool | None:
        return answer.result is not None and len(answer.values(f"{self.field}[]")) <= self.most

    def shown(self, answer: Answer) -> str:
        if answer.result is None:
            return error(answer)
        return f"{len(answer.values(f'{self.field}[]'))} items"


@dataclass(frozen=True, slots=True)
class Lacks:
    """A field is not in the answer."""

    field: str

    def __str__(self) -> str:
        return f"no {self.field}"

    def holds(self, answer: Answer) -> bool | None:
        return answer.result is not None and not answer.values(self.field)

    def shown(self, answer: Answer) -> str:
        if answer.result is None:
            return error(answer)
        return f"has {self.field}" if answer.values(self.field) else f"no {self.field}"


@dataclass(frozen=True, slots=True)
class Reached:
    """Whether the Region has an endpoint of the service, whatever it answers."""

    there: bool

    def __str__(self) -> str:
        return "the endpoint responds" if self.there else "there is no endpoint"

    def holds(self, answer: Answer) -> bool | None:
        return answer.reached is self.there

    def shown(self, answer: Answer) -> str:
        return "responds" if answer.reached else error(answer)


@dataclass(frozen=True, slots=True)
class Either:
    """One of several expectations: AWS documents none, and Rollcall takes each of them."""

    options: tuple[Expectation, ...]

    def __str__(self) -> str:
        return ", or ".join(str(option) for option in self.options)

    def holds(self, answer: Answer) -> bool | None:
        held = [option.holds(answer) for option in self.options]
        return True if True in held else None if None in held else False

    def shown(self, answer: Answer) -> str:
        fitting = [option for option in self.options if option.holds(answer)]
        return (fitting or self.options)[0].shown(answer)


def error(answer: Answer) -> str:
    return ": ".join(part for part in (answer.code, answer.text) if part)


def _container(field: str) -> str:
    """``Members[]`` of ``Members[].AccountId``; the whole answer's field has itself."""
    head, is_list, _ = field.rpartition("[]")
    return f"{head}{is_list}" if is_list else field


def _texts(api: MemberApi, answer: Answer) -> str:
    return "; ".join(
        json.dumps(text, ensure_ascii=False) for text in dict.fromkeys(api.texts(answer))
    )
