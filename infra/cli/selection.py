"""Which accounts a plan is made for: named, listed in a file, in an organizational unit, or all
that have gaps."""

from __future__ import annotations

import csv
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from functions.enrolment.account import is_account_id
from functions.enrolment.configuration import MOST_CHANGES
from functions.enrolment.document import Document, a_list
from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import RequestedAccount
from functions.enrolment.text import one_line, printable_key
from functions.intake.manual import an_account
from functions.services.survey import Chosen
from infra.cli.report import units_of
from infra.cli.report_documents import COLUMNS as REPORT_COLUMNS
from infra.cli.survey import number
from infra.cli.words import but_not

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from functions.aws.directory import Directory
    from functions.enrolment.account import AccountId, OrganizationAccount

# As many accounts as a run or a reconcile may change.
MOST_SELECTED = MOST_CHANGES
# Up to so many accounts are looked up one by one; of more, all accounts are listed.
_MOST_LOOKED_UP = 100
_LOOKUPS_AT_ONCE = 8
_COLUMNS = ("id", "email", "mode")
# Other names of the column of ids.
_SAME = dict.fromkeys(("account", "account_id"), "id")
_UNIT = re.compile(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32}")
_PATH = re.compile(r"o-[0-9a-z]{10,32}/r-[0-9a-z]{4,32}(/ou-[0-9a-z]{4,32}-[0-9a-z]{8,32})*/?")

NamedAccounts = Annotated[
    list[str] | None, Argument(metavar="ACCOUNT", help="Ids of accounts.", show_default=False)
]
AccountsFile = Annotated[
    Path | None,
    Option(
        "--file",
        metavar="FILE",
        help="The accounts of a CSV file with the header account[,email[,mode]], of what rollcall"
        " status --gaps --csv prints, or of a JSON file (docs/manual-input.schema.json, only"
        " accounts; or a list of ids).",
    ),
]
Unit = Annotated[
    str | None,
    Option(
        "--ou",
        metavar="OU",
        help="The accounts below an organizational unit: its id, or its path from the"
        " organisation's id on.",
    ),
]
Gaps = Annotated[
    bool, Option("--gaps", help="Every account of the organisation with a gap a run could close.")
]
RetryFailed = Annotated[
    bool,
    Option(
        "--retry-failed",
        help="With --gaps: also gaps that a run has failed to close and that have not changed"
        " since.",
    ),
]


@dataclass(frozen=True, slots=True)
class Selection:
    """One way of naming accounts. ``origin`` is the argument that errors name.

    ``accounts`` are named, ``unit`` is an organizational unit; with neither, all that have gaps.
    """

    origin: str
    accounts: tuple[RequestedAccount, ...] = ()
    unit: str | None = None

    @property
    def is_of_gaps(self) -> bool:
        """Whether the survey of the whole organisation says which accounts it means."""
        return not self.accounts and self.unit is None


@dataclass(frozen=True, slots=True)
class Selected:
    """The accounts that a selection means, and what Organizations says of them."""

    accounts: tuple[RequestedAccount, ...]
    chosen: Chosen


def read_selection(
    accounts: Sequence[str] | None,
    file: Path | None,
    unit: str | None,
    *,
    gaps: bool,
    retry_failed: bool = False,
) -> Selection:
    """The selection that the arguments make.

    Raises:
        InvalidInput: there is no selection, more than one, or an invalid one; the message names the
            option, and of a file the line or the item.
    """
    given = [
        name
        for name, is_given in (
            ("ACCOUNT", bool(accounts)),
            ("--file", file is not None),
            ("--ou", unit is not None),
            ("--gaps", gaps),
        )
        if is_given
    ]
    if len(given) != 1:
        named = f", not {' and '.join(given)}" if given else ""
        raise InvalidInput("accounts", f"take one of ACCOUNT..., --file, --ou and --gaps{named}")
    if retry_failed and not gaps:
        raise InvalidInput(
            "--retry-failed", f"is taken with --gaps only: {given[0]} tries all accounts again"
        )
    if accounts:
        return Selection("ACCOUNT", _named(accounts))
    if file is not None:
        return Selection("--file", read_file(file))
    if unit is not None:
        return Selection("--ou", unit=_checked_unit(unit))
    return Selection("--gaps")


def read_file(path: Path) -> tuple[RequestedAccount, ...]:
    """The accounts of a file, by its ending: ``.csv`` or ``.json``.

    Raises:
        InvalidInput: it cannot be read, or an account is invalid or repeated.
    """
    try:
        # A spreadsheet program begins the file with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InvalidInput("--file", f"takes a file that can be read: {path}: {problem}") from None
    readers = {".csv": _read_csv, ".json": _read_json}
    if path.suffix.lower() not in readers:
        raise InvalidInput("--file", f"takes a file that ends in .csv or .json, not {path.name}")
    try:
        return readers[path.suffix.lower()](text)
    except InvalidInput as error:
        raise InvalidInput("--file", f"{path.name}: {error}") from None


def select(selection: Selection, directory: Directory) -> Selected:
    """The accounts of a selection that is not one of gaps, as Organizations knows them.

    Raises:
        InvalidInput: no account is below the organizational unit, or an account is outside the
            organisation and no e-mail address is given.
        Throttled, ServiceUnavailable, AccessDenied, ServiceRefused: of Organizations.
    """
    if selection.unit is not None:
        wanted = is_below(selection.unit)
        found = [account for account in directory.accounts() if wanted(account)]
        if not found:
            units = units_of(directory.accounts())
            raise InvalidInput(
                "--ou", f"takes a unit with accounts, {but_not(selection.unit, units)}"
            )
        accounts = tuple(RequestedAccount(account.id) for account in found)
        return Selected(accounts, Chosen({account.id: account for account in found}))
    ids = [account.id for account in selection.accounts]
    inside = {account.id: account for account in _look_up(ids, directory)}
    outside = [account for account in selection.accounts if account.id not in inside]
    unknown = [account.id for account in outside if account.email is None]
    if unknown:
        raise InvalidInput(
            selection.origin,
            f"takes accounts of the organisation, others with their e-mail address in --file;"
            f" outside are {', '.join(unknown)}",
        )
    return Selected(selection.accounts, Chosen(inside, tuple(account.id for account in outside)))


def is_below(unit: str) -> Callable[[OrganizationAccount], bool]:
    """Whether an account's path has the organizational unit, which is an id or a path."""
    if unit.startswith("o-"):
        prefix = unit.rstrip("/") + "/"
        return lambda account: (account.path or "").startswith(prefix)
    return lambda account: unit in (account.path or "").split("/")


def _look_up(ids: Sequence[AccountId], directory: Directory) -> Iterator[OrganizationAccount]:
    if len(ids) > _MOST_LOOKED_UP:
        wanted = frozenset(ids)
        return (account for account in directory.accounts() if account.id in wanted)
    with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as pool:
        return filter(None, list(pool.map(directory.find, ids)))


def _named(ids: Iterable[str]) -> tuple[RequestedAccount, ...]:
    accounts: dict[str, RequestedAccount] = {}
    for each in ids:
        if not is_account_id(each):
            raise InvalidInput("ACCOUNT", f"takes ids of 12 digits, not {one_line(each, 40)}")
        if each in accounts:
            raise InvalidInput("ACCOUNT", f"takes each account once; {each} is repeated")
        accounts[each] = an_account({"id": each}, "ACCOUNT")
    return tuple(accounts.values())


def _checked_unit(unit: str) -> str:
    if not _UNIT.fullmatch(unit) and not _PATH.fullmatch(unit):
        raise InvalidInput(
            "--ou",
            "takes an id such as ou-ab12-cdefgh34, or a path that begins with o-,"
            f" not {one_line(unit, 80)}",
        )
    return unit


def _read_csv(text: str) -> tuple[RequestedAccount, ...]:
    if not text.strip():
        raise InvalidInput("file", "takes a header and a line for each account; it is empty")
    delimiter = _delimiter(text.lstrip().splitlines()[0])
    try:
        return _read_rows(csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        raise InvalidInput("file", "takes cells of at most 131,072 characters") from None


def _read_rows(rows: Any) -> tuple[RequestedAccount, ...]:
    header = _header(next(rows))
    # A report has a line for each membership.
    is_report = not {"service", "region"}.isdisjoint(header)
    lines: dict[str, int] = {}
    accounts = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        line = f"line {rows.line_num}"
        if len(row) > len(header):
            raise InvalidInput(
                line, f"takes {number(len(header), 'column')}, as the header, not {len(row)}"
            )
        cells = {name: cell.strip() or None for name, cell in zip(header, row, strict=False)}
        account = an_account({name: cells.get(name) for name in _COLUMNS if name in cells}, line)
        if account.id in lines:
            if is_report:
                continue
            raise InvalidInput(line, f"repeats {account.id} of line {lines[account.id]}")
        lines[account.id] = rows.line_num
        accounts.append(account)
    if not 1 <= len(accounts) <= MOST_SELECTED:
        raise InvalidInput(
            "accounts", f"takes 1 to {MOST_SELECTED} below the header, not {len(accounts)}"
        )
    return tuple(accounts)


def _delimiter(header: str) -> str:
    """What separates the columns: a spreadsheet program of some countries writes semicolons."""
    return ";" if ";" in header and "," not in header else ","


def _header(row: Sequence[str]) -> tuple[str, ...]:
    """The columns that a header names.

    Raises:
        InvalidInput: a column is unknown, or none has the account's id; it says what was found.
    """
    found = tuple(name.strip().lower() for name in row)
    header = tuple(_SAME.get(name, name) for name in found)
    known = (*_COLUMNS, *REPORT_COLUMNS) if "account_id" in found else _COLUMNS
    unknown = [name for name in header if name not in known]
    problem = ""
    if not any(header) or is_account_id(header[0]):
        problem = "there is no header"
    elif unknown:
        problem = but_not(unknown[0], _COLUMNS)
    elif "id" not in header:
        problem = "none has the account's id"
    elif len(set(header)) < len(header):
        problem = "a column is repeated"
    if problem:
        raise InvalidInput(
            "line 1",
            f"takes the header account[,email[,mode]], or that of rollcall status --csv: {problem}",
        )
    return header


def _read_json(text: str) -> tuple[RequestedAccount, ...]:
    try:
        value = json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"line {error.lineno}", f"takes JSON: {error.msg} at column {error.colno}"
        ) from None
    except (ValueError, RecursionError):
        raise InvalidInput("file", "takes JSON that is not nested so deeply") from None
    some = a_list(_account_or_id, MOST_SELECTED, lambda account: account.id)
    if isinstance(value, list):
        return some(value, "accounts")
    document = Document(value)
    accounts = document.required("accounts", some)
    document.close()
    return accounts


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a repeated key, readers of JSON take the first, the last or none."""
    fields = dict(pairs)
    for key, _ in pairs if len(fields) < len(pairs) else ():
        if sum(key == each for each, _ in pairs) > 1:
            raise InvalidInput(printable_key(key), "is repeated; each key is given once")
    return fields


def _account_or_id(value: Any, path: str) -> RequestedAccount:
    return an_account({"id": value} if isinstance(value, str) else value, path)
