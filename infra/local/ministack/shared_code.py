"""One folder for the code of all workers that run the same code.

MiniStack gives every worker process a copy of its own. On AWS the code is there, read-only; here a
copy is 11 MB to unpack and to compile again each time a worker starts.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

# MiniStack links a layer's modules into the code of a function in JavaScript, which then needs a
# copy of its own; its handler stands at the top.
_JAVASCRIPT = (".js", ".mjs", ".cjs")


class SharedCode:
    """Stands in for the module ``zipfile`` where workers unpack their code."""

    def __init__(self) -> None:
        self._made: Path | None = None
        self._one_at_a_time = threading.Lock()

    def ZipFile(self, path: str) -> _Archive:
        """An archive whose ``extractall`` links to the shared folder."""
        return _Archive(self, Path(path))

    def folder_of(self, archive: Path) -> Path:
        """The shared folder with the archive's content, unpacked by whoever comes first."""
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        with self._one_at_a_time:
            if self._made is None:
                self._made = Path(tempfile.mkdtemp(prefix="rollcall-code-"))
            folder = self._made / digest
            if not folder.exists():
                unfinished = folder.with_suffix(".unfinished")
                with zipfile.ZipFile(archive) as code:
                    code.extractall(unfinished)
                unfinished.rename(folder)
        return folder

    def remove(self) -> None:
        """Remove all folders, once all workers have ended."""
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(zipfile, name)


class _Archive(zipfile.ZipFile):
    def __init__(self, shared: SharedCode, path: Path) -> None:
        super().__init__(path)
        self._shared = shared
        self._path = path

    def extractall(self, path: object = None, *_: object, **__: object) -> None:
        target = Path(str(path))
        top = (name for name in self.namelist() if "/" not in name)
        if target.name != "code" or any(name.endswith(_JAVASCRIPT) for name in top):
            super().extractall(target)
            return
        target.rmdir()
        target.symlink_to(self._shared.folder_of(self._path), target_is_directory=True)
