"""What Lambda runs: ``functions/`` beside its dependencies, staged in a folder without Docker.

Folders are named after their content's sources and appear complete or not at all, so that several
syntheses may run at once.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from functions.aws import archive, directory, executions, ledger, publisher, sessions
from functions.services.registry import SERVICES as SECURITY_SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FUNCTIONS = ROOT / "functions"
REQUIREMENTS = ROOT / "requirements" / "lambda.txt"
BUILD = ROOT / ".build" / "lambda"

# The models botocore is left with. The prefix of an IAM action is botocore's name of the service,
# for every service that is called but one.
_BY_PREFIX = {"states": "stepfunctions"}
SERVICES = sorted(
    {service.name for service in SECURITY_SERVICES}
    | {
        _BY_PREFIX.get(prefix := action.partition(":")[0], prefix)
        for module in (archive, directory, executions, ledger, publisher, sessions)
        for actions in module.ACTIONS.values()
        for action in actions
    }
)
# Every dependency is pure Python; the platform is said so that nothing else can slip in.
_PLATFORM = (
    "--platform=manylinux2014_aarch64",
    "--implementation=cp",
    "--python-version=3.14",
    "--only-binary=:all:",
)
_ASSETS_KEPT = 4


class InstallationFailed(Exception):
    """pip could not install the dependencies; the message ends with what it said."""


def staged_asset() -> Path:
    """The folder to deploy, made where it is not there yet; its name is its content's digest.

    Raises:
        InstallationFailed: pip could not install the dependencies.
    """
    dependencies = _dependencies()
    asset = BUILD / f"asset-{_digest(dependencies.name)}"
    if not asset.exists():
        with _unfinished(asset) as folder:
            shutil.copytree(dependencies, folder, dirs_exist_ok=True)
            for source in _sources():
                target = folder / source.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        _forget_old_assets()
    return asset


def _forget_old_assets() -> None:
    by_age = sorted(BUILD.glob("asset-*"), key=lambda asset: asset.stat().st_mtime)
    for asset in by_age[:-_ASSETS_KEPT]:
        shutil.rmtree(asset, ignore_errors=True)


def _sources() -> list[Path]:
    return sorted(FUNCTIONS.rglob("*.py"))


def _digest(dependencies: str) -> str:
    digest = hashlib.sha256(dependencies.encode())
    for source in _sources():
        digest.update(f"{source.relative_to(ROOT)}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes its name when it is full: another synth may make it too."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as temporary:
        filling = Path(temporary) / "filling"
        filling.mkdir()
        yield filling
        # Somebody else was faster: what is there is the same.
        with suppress(OSError):
            filling.rename(folder)


def _dependencies() -> Path:
    """The pruned dependencies, installed once per lock file and version of this module."""
    key = REQUIREMENTS.read_bytes() + Path(__file__).read_bytes() + repr(SERVICES).encode()
    dependencies = BUILD / f"dependencies-{hashlib.sha256(key).hexdigest()[:16]}"
    if not dependencies.exists():
        with _unfinished(dependencies) as folder:
            _install(folder)
            _prune(folder)
    return dependencies


def _install(folder: Path) -> None:
    done = subprocess.run(  # noqa: S603  # pip of this interpreter, our own lock file
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"),
            *("--disable-pip-version-check", "--require-hashes", "--no-deps"),
            *("--requirement", str(REQUIREMENTS), "--target", str(folder), *_PLATFORM),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InstallationFailed(f"pip could not install {REQUIREMENTS.name}:\n{done.stderr}")


def _prune(folder: Path) -> None:
    for model in (folder / "botocore" / "data").iterdir():
        if model.is_dir() and model.name not in SERVICES:
            shutil.rmtree(model)
    # boto3's own models are of its resources, of which none is used.
    for leftover in (folder / "bin", folder / "boto3" / "data", folder / "boto3" / "examples"):
        shutil.rmtree(leftover, ignore_errors=True)
    for examples in folder.glob("botocore/data/*/*/examples-1.json"):
        examples.unlink()
    # Written by the installer, and different from one machine to the next.
    for name in ("RECORD", "REQUESTED", "INSTALLER", "direct_url.json"):
        for written in folder.glob(f"*.dist-info/{name}"):
            written.unlink()


if __name__ == "__main__":
    staged_asset()
