"""Starting the local AWS from another program, and speaking to it."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from infra.local.environment import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
# MiniStack has an environment of its own (requirements/local.txt).
PYTHON = ROOT / ".venv-local" / "bin" / "python"


class LocalAwsFailed(Exception):
    """The local AWS did not start; the message says where its log is."""


class _Session(boto3.Session):
    def __init__(self, url: str, **identity: Any) -> None:
        super().__init__(**identity)
        self._url = url

    def client(self, *args: Any, **options: Any) -> Any:
        return super().client(*args, **{"endpoint_url": self._url} | options)

    def resource(self, *args: Any, **options: Any) -> Any:
        return super().resource(*args, **{"endpoint_url": self._url} | options)


class LocalAws:
    """A running local AWS at ``url``. An account is named by its id, as access key."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        # One, because each reads the service models again.
        self._session = boto3.Session()

    def environment(self, account_id: str, region: str) -> dict[str, str]:
        """The variables with which any AWS program speaks to this AWS, and to no other."""
        return environment(self.url, account_id, region)

    def session(self, account_id: str, region: str) -> boto3.Session:
        """A session of an account; its clients and resources call this AWS."""
        return _Session(
            self.url,
            aws_access_key_id=account_id,
            aws_secret_access_key="local",  # noqa: S106  # signatures are not verified
            region_name=region,
        )

    def client(self, service: str, account_id: str, region: str) -> Any:
        """A client of any service, without retries."""
        session: Any = self._session
        return session.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=account_id,
            aws_secret_access_key="local",  # noqa: S106  # signatures are not verified
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )

    def control(self, method: str, resource: str, document: object = None) -> dict[str, Any]:
        """One request to ``/_rollcall/<resource>``.

        Raises:
            ValueError: the request was bad; the message says why.
        """
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(  # noqa: S310  # our own URL
            f"{self.url}/_rollcall/{resource}",
            data=body,
            method=method,
            headers={"Accept": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as response:  # noqa: S310  # our own URL
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(json.load(error)["error"]) from None
        return answer

    def world(self, **command: object) -> dict[str, Any]:
        """Change a fact of the local world, for example ``do="add_account"``."""
        return self.control("POST", "world", command)


@contextmanager
def local_aws(
    log: Path, *, port: int = 0, seed: int = 0, wait_scale: float = 1.0
) -> Iterator[LocalAws]:
    """A local AWS on 127.0.0.1 for as long as the context lasts; port 0 takes a free one.

    Raises:
        LocalAwsFailed: it did not start.
    """
    command = [str(PYTHON), "-m", "infra.local", "--until-stdin-closes", "--log", str(log)]
    options = ["--port", str(port), "--seed", str(seed), "--wait-scale", str(wait_scale)]
    with subprocess.Popen(  # noqa: S603  # our own program
        command + options,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is the starter's to handle
    ) as process:
        assert process.stdin is not None  # noqa: S101  # it is a pipe
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        try:
            ready = process.stdout.readline().split()
            if not ready:
                raise LocalAwsFailed(f"the local AWS did not start; its log: {log}")
            yield LocalAws(process, ready[-1])
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
