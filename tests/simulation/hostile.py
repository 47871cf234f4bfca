"""Hostile inputs of runs and reconciles, and what must become of each.

Everything follows from a seed: ``examples(seed, count)`` are valid inputs with a few parts
replaced, added, repeated or nested; ``broken(example)`` gives each to the real steps and says what
is wrong with the outcome. Soak: ``python -m tests.simulation.hostile SEED COUNT``.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections import Counter
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import Mode
from functions.enrolment.errors import InvalidInput
from functions.enrolment.scope import Scope
from functions.enrolment.times import iso
from functions.intake.events import require_publisher
from functions.intake.manual import MANUAL
from functions.intake.reader import read_request, source_of
from functions.steps import (
    close_run,
    execution_end,
    plan_onboarding,
    publish_reconcile,
    survey_organization,
)
from functions.steps.step import logger
from tests.support.builders import ACCOUNT, ADMINISTRATOR, MANAGEMENT, NOW, OTHER, RUN
from tests.support.events import EVENTS, from_management
from tests.support.schemas import ONBOARDING_SCHEMA, RECONCILE_SCHEMA
from tests.unit.steps.support import Known, Wired, run, wired

if TYPE_CHECKING:
    from collections.abc import Iterator

    from functions.enrolment.account import AccountId, OrganizationAccount
    from tests.unit.steps.support import Handler

# StartExecution takes an input of that many bytes (Step Functions guide, "Service quotas").
MOST_BYTES = 262_144
# What the functions' runtime makes of an input that it cannot read.
UNREADABLE = "Runtime.UnmarshalError"
STRANGER = "000011112222"
ADDRESS = "jane.doe@hostile.example"
REGIONS = ("eu-west-1", "ap-east-1")
EXECUTION = f"arn:aws:states:eu-west-1:{ADMINISTRATOR}:execution:Rollcall:{RUN}"
# What a refusal may say of the fields is short.
_LONGEST_FAILURE = 1100
_LEAK = re.compile(r"@hostile|\\u0040hostile|root@example", re.IGNORECASE)
_TRACEBACK = re.compile(r"Traceback|stackTrace|File \"|\.py\b")

_TEXTS = (
    *("$", "$.accounts", "$$.Execution.Input", "States.Format('{}', $.accounts)", "{% $states %}"),
    *("{0}", "{0.__class__}", "{said}", "{", "%s%n", "%(id)s", "${HOME}", "$(id)", "`id`"),
    *(
        "\x00",
        "\x1b[31mred\x1b]0;title\x07",
        "\u202egnp",
        "\ud800",
        "\udfff\ud800",
        "\u2028",
        "\r\n",
    ),
    *(
        ADDRESS,
        f"<{ADDRESS.upper()}>",
        f"{ADDRESS}\n{ADDRESS}",
        '"a b"@hostile.example',
        "@",
        "a@b",
    ),
    *(
        "</script><img src=x onerror=alert(1)>",
        "=cmd|' /C calc'!A0",
        "'; DROP TABLE",
        "../../..",
        "",
    ),
    *("\u0664" * 12, "\uff14" * 12, "\u00b2" * 12, f"{ACCOUNT}\n", f" {ACCOUNT}", "4" * 13, "NaN"),
    *(ACCOUNT, OTHER, STRANGER, ADMINISTRATOR, MANAGEMENT, "organization", "invitation"),
    *("securityhub", "eu-west-1", "SUCCEEDED", "AcceptHandshake", "Region Opt-In Status Change"),
    *("AWS API Call via CloudTrail", "aws.account", "my.application", "InvalidInput"),
)
_OTHERS: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**30, 1e308, float("nan"), float("inf"), 444455556666),
    *(
        [],
        {},
        [[]],
        [None],
        {"": ""},
        {"accounts": []},
        {"id": ACCOUNT},
        [ACCOUNT],
        {ADDRESS: ADDRESS},
    ),
)
_KEYS = (
    *("accounts", "id", "email", "mode", "services", "regions", "dry_run", "reconcile", "batch"),
    *(
        "begin_after",
        "source",
        "account",
        "detail",
        "detail-type",
        "errorCode",
        "accountId",
        "input",
    ),
    *("most_changes", "__proto__", "serviceEventDetails", "requestParameters", "failure"),
)
_DEPTHS = (10, 100, 900, 1000, 5000, 50_000)
_MANUAL: tuple[dict[str, Any], ...] = (
    {"accounts": [{"id": ACCOUNT}]},
    {"accounts": [{"id": STRANGER, "email": ADDRESS}], "mode": "invitation"},
    {
        "accounts": [{"id": ACCOUNT, "mode": "organization"}, {"id": OTHER, "email": ADDRESS}],
        "services": ["guardduty", "detective"],
        "regions": ["eu-west-1"],
        "dry_run": True,
    },
    {
        "reconcile": {"id": "nightly-1", "batch": 0},
        "accounts": [{"id": ACCOUNT, "email": ADDRESS}],
        "begin_after": 5,
    },
)
_OF_RECONCILES: tuple[dict[str, Any], ...] = (
    {"source": "schedule"},
    {
        "services": ["guardduty"],
        "regions": ["eu-west-1"],
        "most_changes": 10,
        "retry_failed": True,
        "report_only": True,
    },
)


@dataclass(frozen=True, slots=True)
class Example:
    """An input as JSON text, as StartExecution is given it; ``reconcile``: that of a reconcile."""

    text: str
    reconcile: bool


def examples(seed: int, count: int) -> Iterator[Example]:
    """The examples of a seed: the first ones are the same whatever the count."""
    for number in range(count):
        yield example(Random(f"{seed}-{number}"))  # noqa: S311  # not for secrets


def example(random: Random) -> Example:
    """A valid input with up to four parts made hostile."""
    reconcile = random.random() < 0.2
    by_hand = _OF_RECONCILES if reconcile else _MANUAL
    given = by_hand if reconcile or random.random() < 0.5 else _events()
    value: Any = deepcopy(random.choice(given))
    for _ in range(random.randint(0, 4)):
        value = _changed(value, random)
    text = json.dumps(value, ensure_ascii=random.random() < 0.5)
    if random.random() < 0.2:
        forged = (STRANGER, ADMINISTRATOR, MANAGEMENT, OTHER)
        text = text.replace(random.choice((ACCOUNT, MANAGEMENT)), random.choice(forged))
    if random.random() < 0.2:
        text = _respelled(text, random)
    return Example(text if len(text) <= MOST_BYTES else text[:MOST_BYTES], reconcile)


def broken(one: Example) -> tuple[str, list[str]]:
    """What became of an example, ``accepted`` or an error's name, and what is wrong with it."""
    begins, ends = (
        (survey_organization.handler, publish_reconcile.handler)
        if one.reconcile
        else (plan_onboarding.handler, close_run.handler)
    )
    wiring = _wiring()
    with _Written() as written:
        fate, found = _begun(begins, one, wiring)
        if fate != "accepted":
            found += _ended(ends, one, fate, found, wiring)
    found += [] if written.leaks_nothing else ["something logged or measured contains an address"]
    found += [] if written.is_json else ["a line that is logged or measured is not JSON"]
    if _LEAK.search("".join(wiring.rows.items.values())):
        found.append("a row of the table contains an address")
    if wiring.target.calls and fate != "accepted":
        found.append(f"a service was called: {wiring.target.calls}")
    return fate, found


@cache
def _events() -> tuple[dict[str, Any], ...]:
    return tuple(from_management(path.stem) for path in sorted(EVENTS.glob("*.json")))


def _wiring() -> Wired:
    """An organisation with two accounts and the administrator."""
    wiring = wired(regions=REGIONS, scope=Scope(include_paths=("o-aa111bb222/",)))
    known = _Organization()
    known.account_ids = [ACCOUNT, OTHER, ADMINISTRATOR]
    return replace(wiring, known=known)


class _Organization(Known):
    def _of(self, account_id: AccountId) -> OrganizationAccount:
        return replace(super()._of(account_id), path=f"o-aa111bb222/r-ab12/{account_id}/")

    def enabled_regions(self, account_id: AccountId) -> frozenset[str] | None:
        return None


def _begun(begins: Handler, one: Example, wiring: Wired) -> tuple[str, list[str]]:
    """Give the first step the input as its function's runtime reads it."""
    try:
        value = json.loads(one.text)
    except (ValueError, RecursionError):
        return UNREADABLE, []
    try:
        document = run(begins, _of_run(value), wiring)
    except Exception as error:  # noqa: BLE001  # Step Functions is told of any
        return _refused(error, value, wiring)
    return "accepted", [] if one.reconcile else _of_plan(document, value)


def _refused(error: Exception, value: object, wiring: Wired) -> tuple[str, list[str]]:
    name, text = type(error).__name__, str(error)
    found = []
    if name not in ("InvalidInput", "AccountNotReady"):
        found.append(f"{name}: {text[:200]}")
    if len(text) > _LONGEST_FAILURE or len(text.splitlines()) > 1 or not text.isprintable():
        found.append(f"not one short line: {text[:200]!r}")
    if _LEAK.search(text):
        found.append(f"the error contains an address: {text[:200]}")
    if wiring.rows.items and source_of(value) != MANUAL:
        found.append("an event or a reconcile's input that was refused has left a row")
    if wiring.known.asked and _is_refused_at_once(value, wiring):
        found.append(f"Organizations was asked: {wiring.known.asked}")
    return name, found


def _is_refused_at_once(value: object, wiring: Wired) -> bool:
    """Whether no fact is needed to refuse a run's input."""
    try:
        request = read_request(value, wiring.configuration)
        require_publisher(request, MANAGEMENT, ADMINISTRATOR)
    except InvalidInput:
        return True
    return False


def _of_plan(document: dict[str, Any], value: Any) -> list[str]:
    """An account outside the organisation is invited only where a person gives its address."""
    invited = [a["id"] for a in document["accounts"] if a["mode"] == Mode.INVITATION]
    if invited and source_of(value) != MANUAL:
        return [f"{invited} are invited, not by a person"]
    targets = {(t["service"], t["region"]) for t in document["targets"]}
    outside = [region for _, region in targets if region not in REGIONS]
    return [f"not configured: {outside}"] if outside else []


def _ended(ends: Handler, one: Example, fate: str, found: list[str], wiring: Wired) -> list[str]:
    """Let the state machine close the run or, where it cannot read the input either, the event."""
    value = json.loads(one.text) if fate != UNREADABLE else None
    failure = {"Error": fate, "Cause": json.dumps({"errorMessage": _words(ends, value, wiring)})}
    closing = _of_run(value) | {"failure": failure}
    if fate == UNREADABLE:
        closing = _status_change(one.text)
    try:
        run(ends, closing, wiring)
    except Exception as error:  # noqa: BLE001  # Step Functions is told of any
        return [f"closing: {type(error).__name__}: {str(error)[:200]}"]
    schema = RECONCILE_SCHEMA if one.reconcile else ONBOARDING_SCHEMA
    published = [document for _, document in wiring.published.events]
    wrong = [] if len(published) == 1 else [f"{len(published)} results are published"]
    for document in published:
        wrong += [f"not of its schema: {e.message[:200]}" for e in schema.iter_errors(document)]
    told = json.dumps(
        [published, wiring.published.messages, wiring.kept.documents], ensure_ascii=False
    )
    wrong += ["what is published contains an address"] if _LEAK.search(told) else []
    wrong += ["what is published contains a traceback"] if _TRACEBACK.search(told) else []
    texts = [subject + text for subject, text, _ in wiring.published.messages]
    if any(not line.isprintable() for text in texts for line in text.split("\n")):
        wrong.append(f"a message has unprintable characters: {texts}")
    return wrong


def _words(ends: Handler, value: object, wiring: Wired) -> str:
    """The message of the error, as the first step raises it again."""
    begins = plan_onboarding if ends is close_run.handler else survey_organization
    try:
        run(begins.handler, _of_run(value), wiring)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what is published
        return str(error)
    return "Unable to unmarshal input"


def _of_run(value: object) -> dict[str, Any]:
    return {
        "input": value,
        "onboarding_id": RUN,
        "started_at": iso(NOW),
        "execution_arn": EXECUTION,
    }


def _status_change(text: str) -> dict[str, Any]:
    return {
        "detail-type": execution_end.STATUS_CHANGE,
        "detail": {
            "status": "FAILED",
            "name": RUN,
            "executionArn": EXECUTION,
            "startDate": int(NOW * 1000),
            "stopDate": int(NOW * 1000) + 1,
            "input": text,
            "error": UNREADABLE,
            "cause": json.dumps({"errorMessage": "Unable to unmarshal input"}),
        },
    }


class _Written:
    """What the steps log and measure meanwhile."""

    def __init__(self) -> None:
        self._to = io.StringIO()

    def __enter__(self) -> _Written:
        handler: Any = logger.registered_handler
        self._handler, self._before = handler, handler.setStream(self._to)
        self._redirected = redirect_stdout(self._to)
        self._redirected.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._redirected.__exit__(None, None, None)
        self._handler.setStream(self._before)

    @property
    def leaks_nothing(self) -> bool:
        return not _LEAK.search(self._to.getvalue())

    @property
    def is_json(self) -> bool:
        try:
            return all(isinstance(json.loads(line), dict) for line in self._lines)
        except ValueError:
            return False

    @property
    def _lines(self) -> list[str]:
        return self._to.getvalue().split("\n")[:-1]


def _changed(value: Any, random: Random) -> Any:
    """The value with one part replaced, removed, renamed, added or nested."""
    places = list(_places(value))
    if not places or random.random() < 0.02:
        return _anything(random)
    holder, key = random.choice(places)
    change = random.randrange(6)
    if change == 0:
        del holder[key]
    elif change == 1 and isinstance(holder, dict):
        holder[_key(random)] = holder.pop(key)
    elif change == 2 and isinstance(holder, dict):
        holder[_key(random)] = _anything(random)
    elif change == 3:
        other, its_key = random.choice(places)
        holder[key] = deepcopy(other[its_key])
    elif change == 4:
        holder[key] = [holder[key]] if random.random() < 0.5 else {_key(random): holder[key]}
    else:
        holder[key] = _anything(random)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        keys = (
            list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        )
        for key in keys:
            yield one, key
            waiting.append(one[key])


def _anything(random: Random) -> Any:
    drawn = random.random()
    if drawn < 0.6:
        return random.choice(_TEXTS)
    if drawn < 0.9:
        return deepcopy(random.choice(_OTHERS))
    if drawn < 0.92:
        return random.choice((ADDRESS, "x", "\ud800", "@", "9")) * random.choice((1000, 30_000))
    return _deep(random.choice(_DEPTHS[:3]), random)


def _deep(depth: int, random: Random) -> Any:
    value: Any = ADDRESS
    key = _key(random)
    for _ in range(depth // 3):  # a few of these may stand in each other
        value = {key: value} if random.random() < 0.5 else [value]
    return value


def _key(random: Random) -> str:
    drawn = random.random()
    if drawn < 0.2:
        return ADDRESS
    return random.choice(_KEYS if drawn < 0.6 else _TEXTS)


def _respelled(text: str, random: Random) -> str:
    """The text with a key repeated, a number that JSON does not have, or nested without end."""
    match random.randrange(4):
        case 0:
            again = f"{json.dumps(_key(random))}: {json.dumps(random.choice(_TEXTS))}, "
            return text.replace("{", "{" + again, 1) if text != "{}" else text
        case 1:
            number = random.choice(("-Infinity", "1e999", "9" * 5000, "-0", "01", "0x10"))
            return re.sub(r": (null|\"[^\"\\]*\")", f": {number}", text, count=1)
        case 2:
            depth = random.choice(_DEPTHS)
            return f'{{"accounts": {"[" * depth}{"]" * depth}, {text[1:]}'
        case _:
            at = random.randrange(len(text) + 1)
            return text[:at] + random.choice(("", "\x00", "{", '"', "\\ud800", ",")) + text[at:]


def main(seed: int, count: int) -> int:
    """Print how many examples came to what, and every one with which something is wrong."""
    # As the stack sets it.
    os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Rollcall")
    fates: Counter[str] = Counter()
    failed = 0
    for number, one in enumerate(examples(seed, count)):
        fate, found = broken(one)
        fates[fate] += 1
        if found:
            failed += 1
            print(f"{seed}-{number}: {'; '.join(found)}: {one.text[:300]!r}")  # noqa: T201
    print(f"{dict(fates)}, {failed} wrong")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
