"""How large the code of the Lambda functions is, beside boto3's own."""

from __future__ import annotations

import tempfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from infra.asset import staged_asset
from tests.bench.report import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# boto3 and what it requires.
_BOTO3 = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")


def measured() -> Sequence[Table]:
    """The asset's parts and boto3's."""
    asset = staged_asset()
    in_asset = _files(asset.rglob("*"), asset)
    ours = {name: path for name, path in in_asset.items() if name.startswith("functions/")}
    parts = {
        "the asset": in_asset,
        "of it Rollcall": ours,
        "boto3 as pip installs it": _installed(),
    }
    return [
        Table(
            "Size of the functions' code",
            ("what", "files", "MB", "MB zipped"),
            [
                (
                    name,
                    f"{len(files):,}",
                    f"{sum(path.stat().st_size for path in files.values()) / 1e6:.2f}",
                    f"{_zipped(files) / 1e6:.2f}",
                )
                for name, files in parts.items()
            ],
            (
                f"boto3 {distribution('boto3').version} with {', '.join(_BOTO3[1:])}; no compiled "
                "modules.",
            ),
        )
    ]


def _installed() -> dict[str, Path]:
    """Without the commands, which are outside the packages' folder."""
    paths = [
        Path(str(file.locate()))
        for name in _BOTO3
        for file in distribution(name).files or ()
        if ".." not in file.parts
    ]
    return _files(paths, None)


def _files(paths: Iterable[Path], root: Path | None) -> dict[str, Path]:
    """The files that are no compiled modules, by their name in the archive."""
    return {
        str(path.relative_to(root) if root else path): path
        for path in paths
        if path.is_file() and path.suffix != ".pyc"
    }


def _zipped(files: dict[str, Path]) -> int:
    with tempfile.TemporaryFile() as archive:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writing:
            for name, path in files.items():
                writing.write(path, name)
        return archive.tell()
