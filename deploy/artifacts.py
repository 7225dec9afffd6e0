"""Byte-code for what `sam build` made, and a look whether it is fit to be uploaded.

Lambda's folders cannot be written to: without byte-code every cold start compiles what it imports,
which is the larger part of it. All of our own is compiled, and of the packages what the functions
import; the rest (thousands of files, most of them of endpoints that nobody asks) would only be
downloaded.
"""

import importlib.util
import json
import os
import py_compile
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from deploy.parameters import REPOSITORY

FUNCTIONS = ("submit", "status", "cancel", "push", "worker", "events", "webhook")
# Unpacked, with byte-code. Each megabyte is read at a cold start.
LARGEST_BYTES = {"CommonLayer": 13 * 1024**2, "WorkerFunction": 40 * 1024**2}
LARGEST_OTHER_BYTES = 200_000
_MACHINES = {"x86_64": 62, "arm64": 183}  # of an ELF file: System V ABI, e_machine
_AT_RUN_TIME = {"CommonLayer": "/opt"}  # functions are at /var/task

# Runs where the packages of the lock are installed: those that were built may be another machine's.
# A call, though nobody answers there, imports what the SDK puts off until then.
_IMPORTS = """
import asyncio, contextlib, json, sys
import app

async def ask():
    nobody = openai.AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with contextlib.suppress(openai.APIConnectionError):
        await nobody.chat.completions.create(model="none", messages=[])

if openai := sys.modules.get("openai"):
    asyncio.run(ask())
print(json.dumps([getattr(each, "__file__", None) for each in list(sys.modules.values())]))
"""


def compile_imported(build: Path) -> int:
    """Write byte-code into the build; how many files."""
    imported = {function: set(_imported(function)) for function in FUNCTIONS}
    # What stands in the worker's own folder, too, it does not take from the layer.
    own = build / "WorkerFunction"
    by_the_worker = imported.pop("worker")
    from_the_layer = {path for path in by_the_worker if not (own / path).exists()}
    wanted = {
        "CommonLayer": from_the_layer.union(*imported.values()),
        "WorkerFunction": by_the_worker,
    }
    count = 0
    for folder in _folders(build):
        packages = folder / "python" if folder.name == "CommonLayer" else folder
        for source in sorted(packages.rglob("*.py")):
            relative = source.relative_to(packages).as_posix()
            if relative in wanted.get(folder.name, ()) or _is_ours(folder.name, relative):
                place = Path(_AT_RUN_TIME.get(folder.name, "/var/task"))
                py_compile.compile(
                    str(source),
                    dfile=str(place / source.relative_to(folder)),
                    doraise=True,
                    # The dates of files are lost on the way.
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )
                count += 1
    return count


def faults(build: Path, architecture: str) -> list[str]:
    """What speaks against uploading this build, a sentence each; empty when all is well."""
    wrong = []
    for folder in _folders(build):
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        largest = LARGEST_BYTES.get(folder.name, LARGEST_OTHER_BYTES)
        if size > largest:
            wrong.append(f"{folder.name} has {size:,} bytes, and may have {largest:,}")
        for library in folder.rglob("*.so"):
            machine = int.from_bytes(library.read_bytes()[18:20], "little")
            if machine != _MACHINES[architecture]:
                wrong.append(
                    f"{folder.name}: {library.name} is not for {architecture}: build again"
                )
        if not any(_is_current(path) for path in folder.rglob("*.pyc")):
            wrong.append(f"{folder.name} has no byte-code of Python 3.13")
    missing = {*LARGEST_BYTES, "SubmitFunction"} - {folder.name for folder in _folders(build)}
    return wrong + [f"{name} is not in the build" for name in sorted(missing)]


def _folders(build: Path) -> Iterator[Path]:
    for folder in sorted(build.iterdir()):
        if folder.name == "CommonLayer" or folder.name.endswith("Function"):
            yield folder


def _is_ours(folder: str, relative: str) -> bool:
    if folder == "CommonLayer":
        return relative.startswith("simmer/")
    name = folder.removesuffix("Function").lower()
    return (REPOSITORY / "functions" / name / relative).is_file()


def _is_current(path: Path) -> bool:
    return path.read_bytes()[:4] == importlib.util.MAGIC_NUMBER


def _imported(function: str) -> Iterator[str]:
    """The files of packages that the function imports, relative to where packages are installed."""
    installed = Path(sysconfig.get_path("purelib"))
    roots = [REPOSITORY / "layers" / "common", REPOSITORY / "functions" / function]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, roots)),
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    output = subprocess.run(
        [sys.executable, "-c", _IMPORTS], env=environment, check=True, stdout=subprocess.PIPE
    ).stdout
    for file in json.loads(output):
        if file and Path(file).is_relative_to(installed):
            yield Path(file).relative_to(installed).as_posix()
