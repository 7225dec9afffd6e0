"""What `sam build` makes, for this machine: a zip for each function and layer of a template.

SAM's own build makes wheels for Lambda's Linux, which a Mac could not run, and takes seconds;
here each zip is cached under the hash of all that goes into it. Dependencies are installed
once per requirements.txt and platform, so that an edit of a source file rebuilds in a moment.
"""

import hashlib
import os
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from local.emulator.sam import Code
from local.toolchain import BUILD, ToolError, emulator_python, keep_newest, run_tool, uv

_CACHE = BUILD / "artifacts"
_KEPT_ZIPS = 3  # of one name: a run and a test may use different states of the sources
_BUILT_AS = "1"  # part of every hash: to be raised when this module builds differently
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def build(codes: list[Code], report: Callable[[str], None] = lambda _: None) -> dict[str, Path]:
    """The zip of each code folder, by logical id; `report` hears of each one that is built.

    Raises ToolError if a dependency cannot be installed, FileNotFoundError for a missing folder.
    """
    return {code.logical_id: _zip_of(code, report) for code in codes}


def _zip_of(code: Code, report: Callable[[str], None]) -> Path:
    if not code.folder.is_dir():
        raise FileNotFoundError(f"{code.logical_id}: no folder {code.folder}")
    sources = dict(_files(code.folder))
    layout = "layer" if code.is_layer else "function"
    digest = _digest([layout, *_platform()], sources)
    target = _CACHE / f"{code.logical_id}-{digest}.zip"
    with suppress(FileNotFoundError):
        os.utime(target)  # the newest are kept
        return target

    report(f"building {code.logical_id}")
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
        compiled = Path(scratch) / "sources"
        for name, source in sources.items():
            (compiled / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, compiled / name)
        with suppress(ToolError):  # a file that is wrong goes as it is: whoever loads it says why
            _compile(compiled)
        files = dict(_files(compiled, with_bytecode=True))
        if requirements := sources.get("requirements.txt"):
            packages = installed(requirements, report)
            files = dict(_files(packages, with_bytecode=True)) | files
        packed = Path(scratch) / "zip"
        _pack(packed, files, prefix="python/" if code.is_layer else "")
        packed.replace(target)
    keep_newest(_KEPT_ZIPS, _CACHE.glob(f"{code.logical_id}-*.zip"))
    return target


def installed(requirements: Path, report: Callable[[str], None] = lambda _: None) -> Path:
    """The folder with that file's packages, installed and compiled."""
    digest = _digest(list(_platform()), {"requirements.txt": requirements})
    folder = _CACHE / f"packages-{digest}"
    if folder.is_dir():
        return folder
    report(f"installing {requirements.parent.name}/requirements.txt")
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
        fresh = Path(scratch) / "packages"
        fresh.mkdir()
        run_tool(
            *(uv(), "pip", "install", "--quiet", "--no-config", "--python", emulator_python()),
            *("--target", fresh, "--requirement", requirements),
        )
        _compile(fresh)
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was quicker, with the same result
                raise
    return folder


def _compile(folder: Path) -> None:
    """Byte-code that is used without looking at the source's date, which a zip loses."""
    run_tool(
        *(emulator_python(), "-m", "compileall", "-q", "-j0"),
        *("--invalidation-mode", "unchecked-hash", folder),
    )


def _files(folder: Path, *, with_bytecode: bool = False) -> Iterator[tuple[str, Path]]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (with_bytecode or name != "__pycache__")
        )
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and (with_bytecode or path.suffix != ".pyc"):
                yield path.relative_to(folder).as_posix(), path


def _digest(words: list[str], files: dict[str, Path]) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for name, path in files.items():
        content = path.read_bytes()
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:20]


def _platform() -> tuple[str, ...]:
    return _BUILT_AS, sysconfig.get_platform(), sys.implementation.cache_tag or ""


def _pack(target: Path, files: dict[str, Path], prefix: str) -> None:
    """Stored, not deflated: the emulator unpacks it anew for each worker process."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(prefix + name, _ZIP_EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
