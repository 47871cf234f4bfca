"""The scope: which accounts of the organisation a deployment enrols."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId, is_account_id
from functions.enrolment.document import Document, a_list, a_map, a_string
from functions.enrolment.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST = 100
_NO_TAGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Scope:
    """What is excluded and, if anything is listed, what is included.

    Paths are prefixes of an account's path in Organizations, for example
    ``o-aa111bb222/r-ab12/ou-ab12-cdefgh34/`` (botocore ``Account.Paths``). A tag with the value
    ``*`` matches any value of the account's tag.
    """

    include_paths: tuple[str, ...] = ()
    exclude_paths: tuple[str, ...] = ()
    include_accounts: tuple[AccountId, ...] = ()
    exclude_accounts: tuple[AccountId, ...] = ()
    include_tags: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS)
    exclude_tags: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS)

    @property
    def uses_paths(self) -> bool:
        """Whether the scope depends on an account's path."""
        return bool(self.include_paths or self.exclude_paths)

    @property
    def uses_tags(self) -> bool:
        """Whether the scope depends on an account's tags."""
        return bool(self.include_tags or self.exclude_tags)

    def exclusion_reason(
        self, account: AccountId, path: str | None, tags: Mapping[str, str]
    ) -> str | None:
        """Why an account is out of scope, None if it is not. Exclusions take precedence."""
        if account in self.exclude_accounts:
            return "the configuration excludes the account"
        if self.uses_paths and path is None:
            return "Organizations does not say where the account is, and the scope goes by that"
        excluded = [prefix for prefix in self.exclude_paths if _is_below(path, prefix)]
        if excluded:
            return f"the configuration excludes {excluded[0]}"
        excluded_tags = [tag for tag in self.exclude_tags.items() if _has(tags, *tag)]
        if excluded_tags:
            return f"the configuration excludes the tag {'='.join(excluded_tags[0])}"
        included = (
            account in self.include_accounts
            or any(_is_below(path, prefix) for prefix in self.include_paths)
            or any(_has(tags, *tag) for tag in self.include_tags.items())
        )
        if included or not (self.include_accounts or self.include_paths or self.include_tags):
            return None
        return "the configuration does not include the account"

    def to_json(self) -> dict[str, Any]:
        """The JSON form that :func:`read_scope` reads, without empty keys."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: dict(value) if name.endswith("tags") else list(value)
            for name, value in values.items()
            if value
        }


def read_scope(value: object, path: str) -> Scope:
    """Read the configuration's ``scope``.

    Raises:
        InvalidInput: a value is invalid; the message names the key and the allowed values.
    """
    document = Document(value, path)
    paths, accounts = a_list(_a_path, _MOST), a_list(an_account_id, _MOST)
    tags = a_map(a_string(256), 20)
    scope = Scope(
        include_paths=document.optional("include_paths", paths, ()),
        exclude_paths=document.optional("exclude_paths", paths, ()),
        include_accounts=document.optional("include_accounts", accounts, ()),
        exclude_accounts=document.optional("exclude_accounts", accounts, ()),
        include_tags=document.optional("include_tags", tags, _NO_TAGS),
        exclude_tags=document.optional("exclude_tags", tags, _NO_TAGS),
    )
    document.close()
    return scope


def an_account_id(value: object, path: str) -> AccountId:
    """Reads an account's id."""
    if not is_account_id(value):
        raise InvalidInput(path, "takes an account id: a string of 12 digits")
    return AccountId(str(value))


def _a_path(value: object, path: str) -> str:
    text = a_string(1024)(value, path)
    if not text.startswith("o-") or not text.endswith("/"):
        raise InvalidInput(path, "takes a path such as o-aa111bb222/r-ab12/ou-ab12-cdefgh34/")
    return text


def _is_below(path: str | None, prefix: str) -> bool:
    return path is not None and path.startswith(prefix)


def _has(tags: Mapping[str, str], key: str, value: str) -> bool:
    return key in tags and value in ("*", tags[key])
