"""Options that several verbs take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import BadParameter, Option

from functions.enrolment.account import is_account_id
from functions.enrolment.errors import InvalidInput
from functions.enrolment.text import one_line
from functions.intake.reconciled import is_name
from infra.cli.words import check_word
from infra.names import DEFAULT, a_deployment_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from functions.enrolment.target import Target


_EXECUTION = re.compile(r"arn:[^:]+:states:[^:]*:[^:]*:execution:[^:]+:([^:]+)")


def _checked_name(name: str) -> str:
    try:
        return a_deployment_name(name, "name")
    except InvalidInput as error:
        raise BadParameter(str(error)) from None


def _checked_accounts(ids: list[str] | None) -> list[str] | None:
    for account in ids or ():
        checked_account(account)
    return ids


def _lower(word: str | None) -> str | None:
    return word if word is None else word.lower()


def _all_lower(words: list[str] | None) -> list[str] | None:
    return words if words is None else [word.lower() for word in words]


def checked_account(account: str) -> str:
    """An account's id; refuses anything else."""
    if not is_account_id(account):
        raise BadParameter(f"takes an account id of 12 digits, not {account!r}")
    return account


def _checked_file(path: Path | None) -> Path | None:
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise BadParameter(f"takes a file in a folder that exists, not {path}")
    return path


def checked_id(text: str) -> str:
    """The id of a run or of a reconcile, given as such or as the ARN of its execution.

    Raises:
        InvalidInput: it is neither.
    """
    arn = _EXECUTION.fullmatch(text)
    if not is_name(arn[1] if arn else text):
        raise InvalidInput(
            "ID",
            "takes the id of a run or of a reconcile, or its execution's ARN, not"
            f" {one_line(text, 80)}",
        )
    return arn[1] if arn else text


def unknown_id(run_id: str) -> InvalidInput:
    """The error for an id of nothing."""
    return InvalidInput(
        "ID", f"there is no run and no reconcile with the id {run_id}; rollcall runs lists them"
    )


Profile = Annotated[
    str | None,
    Option("--profile", metavar="NAME", help="The AWS profile of the administrator account."),
]
HomeRegion = Annotated[
    str | None,
    Option(
        "--home-region",
        metavar="REGION",
        callback=_lower,
        help="The Region that Rollcall is deployed to. Default: that of your AWS settings.",
    ),
]
Name = Annotated[
    str,
    Option(
        "--name",
        metavar="NAME",
        callback=_checked_name,
        help=f"The deployment's name, the key name of its configuration. Default: {DEFAULT}.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, Option("--json", help="Print one JSON document.")]
Accounts = Annotated[
    list[str] | None,
    Option(
        "--account", metavar="ID", callback=_checked_accounts, help="Only this account. Repeatable."
    ),
]
Services = Annotated[
    list[str] | None,
    Option("--service", metavar="NAME", callback=_all_lower, help="Only this service. Repeatable."),
]
Regions = Annotated[
    list[str] | None,
    Option("--region", metavar="REGION", callback=_all_lower, help="Only this Region. Repeatable."),
]
Units = Annotated[
    list[str] | None,
    Option(
        "--ou",
        metavar="OU",
        help="Only accounts below this organisational unit: its id, or the beginning of a path such"
        " as o-aa111bb222/r-ab12/ou-ab12-cdefgh34/. Repeatable.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    Option(
        "--config",
        metavar="FILE",
        help="Take the configuration of this cdk.json, whether it is deployed or not. Not with"
        " --name and --home-region.",
    ),
]
PageFile = Annotated[
    Path | None,
    Option(
        "--html",
        metavar="FILE",
        callback=_checked_file,
        help="Write a page for a browser, in one file that needs no network.",
    ),
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The services and Regions that are selected; all where none is named."""

    services: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    def among(self, targets: Iterable[Target]) -> list[Target]:
        """The selected targets of those that are configured.

        Raises:
            InvalidInput: a service or a Region is not configured, or they have no target together.
        """
        known = list(targets)
        for option, words, takes in (
            ("--service", self.services, {str(target.service) for target in known}),
            ("--region", self.regions, {target.region for target in known}),
        ):
            for word in words:
                check_word(option, word, takes)
        chosen = [
            target
            for target in known
            if (not self.services or str(target.service) in self.services)
            and (not self.regions or target.region in self.regions)
        ]
        if not chosen:
            raise InvalidInput(
                "--region", "takes a Region in which a selected service is configured"
            )
        return chosen
