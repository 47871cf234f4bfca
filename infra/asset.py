"""What Lambda runs: ``functions/`` beside its dependencies, staged in a folder without Docker."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements" / "lambda.txt"
BUILD = ROOT / ".build" / "lambda"

# The models botocore is left with: of the services called, here and in functions/aws/sessions.py.
SERVICES = (
    "account",
    "detective",
    "dynamodb",
    "events",
    "guardduty",
    "organizations",
    "securityhub",
    "sns",
    "sts",
)
# Every dependency is pure Python; the platform is said so that nothing else can slip in.
_PLATFORM = (
    "--platform=manylinux2014_aarch64",
    "--implementation=cp",
    "--python-version=3.14",
    "--only-binary=:all:",
)


def staged_asset() -> Path:
    """The folder to deploy, made where it is not there yet; dependencies are kept between makes.

    Raises:
        subprocess.CalledProcessError: pip could not install the dependencies.
    """
    asset = BUILD / "asset"
    shutil.rmtree(asset, ignore_errors=True)
    shutil.copytree(_dependencies(), asset)
    shutil.copytree(
        ROOT / "functions", asset / "functions", ignore=shutil.ignore_patterns("__pycache__")
    )
    return asset


def _dependencies() -> Path:
    """The pruned dependencies, installed once per lock file and list of services."""
    key = REQUIREMENTS.read_bytes() + repr((SERVICES, _PLATFORM)).encode()
    folder = BUILD / f"dependencies-{hashlib.sha256(key).hexdigest()[:16]}"
    if not folder.exists():
        shutil.rmtree(BUILD, ignore_errors=True)
        unfinished = folder.with_suffix(".unfinished")
        subprocess.run(  # noqa: S603  # pip of this interpreter, our own lock file
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"),
                *("--disable-pip-version-check", "--require-hashes", "--no-deps"),
                *("--requirement", str(REQUIREMENTS), "--target", str(unfinished), *_PLATFORM),
            ],
            check=True,
        )
        _prune(unfinished)
        unfinished.rename(folder)
    return folder


def _prune(folder: Path) -> None:
    for model in (folder / "botocore" / "data").iterdir():
        if model.is_dir() and model.name not in SERVICES:
            shutil.rmtree(model)
    for model in (folder / "boto3" / "data").iterdir():
        if model.name != "dynamodb":
            shutil.rmtree(model)
    for leftover in (folder / "bin", folder / "boto3" / "examples"):
        shutil.rmtree(leftover, ignore_errors=True)
    # Written by the installer, and different from one machine to the next.
    for name in ("RECORD", "REQUESTED", "INSTALLER", "direct_url.json"):
        for written in folder.glob(f"*.dist-info/{name}"):
            written.unlink()


if __name__ == "__main__":
    staged_asset()
