"""What AWS answers to one call, and the caller and Region in which it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from functions.aws.calls import error_class
from functions.enrolment.errors import CredentialsRefused, ServiceUnavailable, Throttled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.aws.sessions import Clients
    from tests.contract.beliefs.settings import NamedAccount


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a call, or the code and text of its error.

    ``reached`` is whether a service responded at all.
    """

    result: Mapping[str, Any] | None = None
    code: str = ""
    text: str = ""
    status: int = 200
    reached: bool = True

    def values(self, path: str) -> list[Any]:
        """All values at a path such as ``Members[].MemberStatus``; none for an error."""
        found: list[Any] = [] if self.result is None else [self.result]
        for key in path.split("."):
            found = [one[key.removesuffix("[]")] for one in found if key.removesuffix("[]") in one]
            if key.endswith("[]"):
                found = [item for items in found for item in items]
        return found

    @property
    def denied(self) -> bool:
        """Whether IAM denies the caller this call.

        Inferred: IAM ends a denial with its reason, "because no … policy allows …" or "with an
        explicit deny"; a service's own refusal does not.
        """
        words = self.text.casefold()
        return "because no " in words or "with an explicit deny" in words

    @property
    def hindrance(self) -> str | None:
        """Why this error says nothing about most beliefs; None for any other answer."""
        if self.denied:
            return "the policies of the caller do not allow this call"
        if not self.reached:
            return f"the service did not respond: {self.code}"
        kind = error_class(self.code, self.status)
        if self.code and kind in (Throttled, ServiceUnavailable):
            return f"the service did not answer: {self.code}"
        if self.code and kind is CredentialsRefused:
            return "the Region does not know the caller: it has not opted in"
        return None


class Site:
    """One caller in one Region. A reading is asked once and remembered.

    ``caller`` is its account id. ``accounts`` are those that changing calls may name; none without
    permission to change.
    """

    def __init__(
        self,
        clients: Clients,
        region: str,
        *,
        caller: str,
        partition: str,
        accounts: tuple[NamedAccount, ...] = (),
    ) -> None:
        self.region = region
        self.caller = caller
        self.partition = partition
        self.accounts = accounts
        self._clients = clients
        self._read: dict[tuple[str, str], Answer] = {}

    def read(
        self, service: str, operation: str, *, all_pages: bool = False, **parameters: Any
    ) -> Answer:
        key = (f"{service}:{operation}:{all_pages}", repr(parameters))
        if key not in self._read:
            self._read[key] = self.call(service, operation, all_pages=all_pages, **parameters)
        return self._read[key]

    def call(
        self, service: str, operation: str, *, all_pages: bool = False, **parameters: Any
    ) -> Answer:
        """The answer, of all pages if asked; the lists of further pages follow the first's."""
        call: Any = getattr(self._clients.client(service, self.region), xform_name(operation))
        try:
            result = page = call(**parameters)
            while all_pages and page.get("NextToken"):
                page = call(**parameters, NextToken=page["NextToken"])
                for name, value in page.items():
                    if isinstance(value, list):
                        result.setdefault(name, []).extend(value)
        except ClientError as error:
            described = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return Answer(None, described.get("Code", ""), described.get("Message", ""), status)
        except ParamValidationError:
            raise
        except BotoCoreError as error:
            return Answer(None, type(error).__name__, str(error), 0, reached=False)
        return Answer(result)
