"""Which accounts are selected, and what is refused, with the option and the line."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from functions.enrolment.account import AccountId, Mode, OrganizationAccount, is_account_id
from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import RequestedAccount
from infra.cli.report_documents import COLUMNS as REPORT_COLUMNS
from infra.cli.selection import Selection, is_below, read_file, read_selection, select
from tests.simulation.hostile import examples
from tests.support.builders import ACCOUNT, EMAIL, OTHER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from functions.aws.directory import Directory

PATH = "o-aa111bb222/r-ab12/ou-ab12-cdefgh34/"
UNIT = "ou-ab12-cdefgh34"
THIRD = "666677778888"
HEADER = "line 1: takes the header account[,email[,mode]], or that of rollcall status --csv:"
INVITED = RequestedAccount(OTHER, EMAIL, Mode.INVITATION)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", f"id\n{ACCOUNT}\n"),
        ("a.csv", f"\ufeffId, Email\n\n{ACCOUNT},\n"),
        ("a.csv", f'"id","email","mode"\r\n"{ACCOUNT}","",""\r\n'),
        ("a.csv", f"account\n{ACCOUNT}\n"),
        ("a.csv", f"account_id\n{ACCOUNT}\n"),
        ("a.csv", f"\ufeffmode;Email;Account\r\n;;{ACCOUNT}\r\n"),
        ("a.csv", f"account_id,service,region,state\n{ACCOUNT},a,b,gap\n{ACCOUNT},a,c,gap\n"),
        ("a.JSON", json.dumps([ACCOUNT])),
        ("a.json", json.dumps([{"id": ACCOUNT}])),
        ("a.json", json.dumps({"accounts": [{"id": ACCOUNT}]})),
    ],
)
def test_a_file_lists_accounts(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")

    assert read_file(file) == (RequestedAccount(ACCOUNT),)


@pytest.mark.parametrize(
    "text",
    [f"id,email,mode\n{OTHER},{EMAIL},invitation", f"id,email,mode\n{OTHER}, {EMAIL} ,invitation"],
)
def test_a_line_may_say_address_and_mode(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text)

    assert read_file(file) == (INVITED,)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "a.csv: file: takes a header and a line for each account; it is empty"),
        (
            "a.csv",
            "\ufeff\n",
            "a.csv: file: takes a header and a line for each account; it is empty",
        ),
        ("a.csv", f"{ACCOUNT}\n", f"a.csv: {HEADER} there is no header"),
        (
            "a.csv",
            f"id,emial\n{ACCOUNT},{EMAIL}\n",
            f"a.csv: {HEADER} not emial (did you mean email?)",
        ),
        ("a.csv", f"id,name\n{ACCOUNT},x\n", f"a.csv: {HEADER} not name"),
        ("a.csv", f"email\n{EMAIL}\n", f"a.csv: {HEADER} none has the account's id"),
        ("a.csv", f"id,account\n{ACCOUNT},x\n", f"a.csv: {HEADER} a column is repeated"),
        ("a.csv", "id\n", "a.csv: accounts: takes 1 to 50000 below the header, not 0"),
        ("a.csv", f"id\n{ACCOUNT}\n12\n", "a.csv: line 3.id: takes an account id"),
        ("a.csv", f"id\n{ACCOUNT},x\n", "a.csv: line 2: takes 1 column, as the header, not 2"),
        ("a.csv", f"id\n{ACCOUNT}\n{ACCOUNT}\n", f"a.csv: line 3: repeats {ACCOUNT} of line 2"),
        ("a.csv", f"id,email\n{ACCOUNT},secret\n", "a.csv: line 2.email: takes an e-mail address"),
        ("a.csv", f"id,email,mode\n{ACCOUNT},,guest\n", "a.csv: line 2.mode: takes one of"),
        ("a.json", "{", "a.json: line 1: takes JSON: Expecting property name"),
        ("a.json", f'[\n"{ACCOUNT}",\n]', "a.json: line 3: takes JSON: "),
        ("a.json", f'["{ACCOUNT}",]', "a.json: line 1: takes JSON: "),
        pytest.param("a.json", "[" * 100_000, "a.json: file: takes JSON that is not", id="nested"),
        pytest.param(
            "a.csv", f"id\n{'1' * 200_000}", "a.csv: file: takes cells of at most", id="a huge cell"
        ),
        ("a.json", "7", "a.json: input: takes a JSON object"),
        (
            "a.json",
            f'{{"accounts": ["{OTHER}"], "accounts": ["{ACCOUNT}"]}}',
            "a.json: accounts: is repeated; each key is given once",
        ),
        ("a.json", '[{"secret@example.com": 1, "secret@example.com": 2}]', "a.json: (e-mail): is"),
        ("a.json", '["\\u0664"]', "a.json: accounts[0].id: takes an account id"),
        ("a.json", "[NaN]", "a.json: accounts[0]: takes a JSON object"),
        ("a.json", "[]", "a.json: accounts: takes a list of 1 to 50000 items"),
        ("a.json", f'["{ACCOUNT}", "x"]', "a.json: accounts[1].id: takes an account id"),
        ("a.json", f'["{ACCOUNT}", "{ACCOUNT}"]', "a.json: accounts[1]: repeats an earlier"),
        (
            "a.json",
            f'{{"accounts": ["{ACCOUNT}"], "regions": []}}',
            "a.json: regions: is not known",
        ),
        ("a.txt", ACCOUNT, "takes a file that ends in .csv or .json, not a.txt"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    file = tmp_path / name
    file.write_text(text)

    with pytest.raises(InvalidInput) as refused:
        read_file(file)

    assert str(refused.value).startswith(f"--file: {message}")
    assert "secret" not in str(refused.value)


def test_a_report_is_taken_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "gaps.csv"
    row = {"account_id": ACCOUNT, "name": "A, B", "reason": "it failed"}
    with file.open("w") as stream:
        writer = csv.DictWriter(stream, REPORT_COLUMNS)
        writer.writeheader()
        writer.writerows([row, row, row | {"account_id": OTHER}])

    assert [one.id for one in read_file(file)] == [ACCOUNT, OTHER]


@pytest.mark.parametrize("name", ["a.json", "a.csv"])
def test_a_hostile_file_lists_accounts_or_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    for one in examples(1, 200):
        text = f"id,email,mode\n{one.text}" if name == "a.csv" else one.text
        file.write_bytes(text.encode(errors="replace"))
        accounts: tuple[RequestedAccount, ...] = ()
        said = ""
        try:
            accounts = read_file(file)
        except InvalidInput as refused:
            said = str(refused)
        assert said.isprintable()
        assert all(is_account_id(account.id) for account in accounts)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "a.csv"
    binary.write_bytes(b"\xff\xfe\x00")

    for file in (tmp_path, binary, tmp_path / "none.csv"):
        with pytest.raises(InvalidInput, match=r"^--file: takes a file that can be read: "):
            read_file(file)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "accounts: take one of ACCOUNT..., --file, --ou and --gaps"),
        ({"accounts": [ACCOUNT], "gaps": True}, "--gaps, not ACCOUNT and --gaps"),
        ({"accounts": [ACCOUNT], "retry": True}, "--retry-failed: is taken with --gaps only"),
        ({"accounts": ["x\n"]}, "ACCOUNT: takes ids of 12 digits, not x"),
        ({"accounts": [ACCOUNT, ACCOUNT]}, f"ACCOUNT: takes each account once; {ACCOUNT} is"),
        ({"unit": "Sandbox"}, "--ou: takes an id such as ou-ab12-cdefgh34"),
    ],
)
def test_there_is_one_selection(given: dict[str, Any], message: str) -> None:
    arguments = {"accounts": None, "unit": None, "gaps": False, "retry": False} | given

    with pytest.raises(InvalidInput) as refused:
        read_selection(
            arguments["accounts"],
            None,
            arguments["unit"],
            gaps=arguments["gaps"],
            retry_failed=arguments["retry"],
        )

    assert message in str(refused.value)


class Organizations:
    """The directory with two accounts, one of them in the unit; ``asked`` is what it was asked."""

    def __init__(self) -> None:
        self.known = {
            ACCOUNT: OrganizationAccount(ACCOUNT, EMAIL, "ACTIVE", PATH),
            THIRD: OrganizationAccount(AccountId(THIRD), EMAIL, "ACTIVE", "o-aa111bb222/r-ab12/"),
        }
        self.asked: list[str] = []

    def find(self, account_id: AccountId) -> OrganizationAccount | None:
        self.asked.append(account_id)
        return self.known.get(account_id)

    def accounts(self) -> Iterator[OrganizationAccount]:
        self.asked.append("all")
        yield from self.known.values()


def test_named_accounts_are_inside_or_have_an_address() -> None:
    directory = Organizations()
    named = Selection("--file", (RequestedAccount(ACCOUNT), INVITED))

    selected = select(named, cast("Directory", directory))

    assert selected.accounts == named.accounts
    assert (set(selected.chosen.inside), selected.chosen.outside) == ({ACCOUNT}, (OTHER,))
    assert directory.asked == [ACCOUNT, OTHER]
    with pytest.raises(InvalidInput, match=f"^ACCOUNT: takes accounts of .* outside are {OTHER}$"):
        select(Selection("ACCOUNT", (RequestedAccount(OTHER),)), cast("Directory", directory))


def test_of_many_accounts_all_are_listed_once() -> None:
    directory = Organizations()
    many = [RequestedAccount(AccountId(f"{10**11 + n}"), EMAIL) for n in range(100)]

    selected = select(
        Selection("--file", (RequestedAccount(ACCOUNT), *many)), cast("Directory", directory)
    )

    assert directory.asked == ["all"]
    assert (set(selected.chosen.inside), len(selected.chosen.outside)) == ({ACCOUNT}, 100)


@pytest.mark.parametrize(
    ("unit", "path", "below"),
    [
        (UNIT, PATH, True),
        (UNIT, f"{PATH}ou-ab12-99999999/", True),
        (UNIT, "o-aa111bb222/r-ab12/ou-ab12-cdefgh345/", False),
        (UNIT, None, False),
        (PATH, PATH, True),
        (PATH.rstrip("/"), f"{PATH}ou-ab12-99999999/", True),
        (PATH.rstrip("/"), "o-aa111bb222/r-ab12/ou-ab12-cdefgh345/", False),
        ("r-ab12", PATH, True),
    ],
)
def test_a_unit_has_the_accounts_below_it(unit: str, path: str | None, below: bool) -> None:
    account = OrganizationAccount(ACCOUNT, EMAIL, "ACTIVE", path)

    assert is_below(unit)(account) is below


def test_a_unit_without_accounts_is_refused() -> None:
    directory = cast("Directory", Organizations())

    assert [one.id for one in select(Selection("--ou", unit=UNIT), directory).accounts] == [ACCOUNT]
    with pytest.raises(InvalidInput, match=r"^--ou: .* with accounts, not ou-ab12-99999999"):
        select(Selection("--ou", unit="ou-ab12-99999999"), directory)
