from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from infra.local.ministack.shared_code import SharedCode

if TYPE_CHECKING:
    from pathlib import Path


def an_archive(folder: Path, name: str, *files: str) -> str:
    path = folder / f"{name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.writestr(file, file)
    return str(path)


def a_worker(folder: Path, name: str) -> Path:
    code = folder / name / "code"
    code.mkdir(parents=True)
    return code


def test_workers_of_the_same_code_share_one_folder(tmp_path: Path) -> None:
    shared = SharedCode()
    archive = an_archive(tmp_path, "python", "index.py", "library/swagger.js")
    first, second = a_worker(tmp_path, "1"), a_worker(tmp_path, "2")

    for worker in (first, second):
        with shared.ZipFile(archive) as code:
            code.extractall(worker)

    assert first.resolve() == second.resolve()
    assert (first / "library" / "swagger.js").read_text() == "library/swagger.js"
    shared.remove()
    assert not first.exists()


def test_code_in_javascript_and_layers_are_unpacked_where_asked(tmp_path: Path) -> None:
    shared = SharedCode()
    worker, layer = a_worker(tmp_path, "1"), tmp_path / "layer_0"

    with shared.ZipFile(an_archive(tmp_path, "node", "index.js")) as code:
        code.extractall(worker)
    with shared.ZipFile(an_archive(tmp_path, "layer", "python/one.py")) as code:
        code.extractall(layer)

    assert not worker.is_symlink()
    assert (worker / "index.js").exists()
    assert (layer / "python" / "one.py").exists()
    shared.remove()
