"""What is left out of what `sam build` made, what is added, and whether it is fit to be uploaded.

Each megabyte is read at a cold start. So the worker has no second copy of what its layer has, and
of the OpenAI SDK only what its calls import, the types of answers when they are asked for; licences
stay. And Lambda's folders cannot be written to: without byte-code every cold start compiles what it
imports, which is the larger part of it. All of our own is compiled, and of the packages what the
functions import.
"""

import contextlib
import importlib.util
import json
import os
import py_compile
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.lazy import lazy
from deploy.parameters import REPOSITORY

FUNCTIONS = ("submit", "status", "cancel", "push", "worker", "events", "webhook")
# Unpacked, with byte-code.
LARGEST_BYTES = {"CommonLayer": 13_000_000, "WorkerFunction": 25_000_000}
LARGEST_OTHER_BYTES = 200_000
_MACHINES = {"x86_64": 62, "arm64": 183}  # of an ELF file: System V ABI, e_machine
_AT_RUN_TIME = {"CommonLayer": "/opt"}  # functions are at /var/task

# Where the SDK has something for each endpoint: of these the worker keeps what it imports.
_OF_ENDPOINTS = ("openai/resources/", "openai/types/", "openai/lib/")
# Nothing here opens them: types for editors, and a page that Powertools serves if one asks it to.
_UNREAD = ("*.pyi", "swagger-ui*.js", "swagger-ui*.css")

# Runs where the packages of the lock are installed: those that were built may be another machine's.
# Calls that are answered, refused and lost import what the SDK puts off until then.
_IMPORTS = """
import asyncio, contextlib, json, sys
import app

async def ask(transport):
    client = openai.DefaultAsyncHttpxClient(transport=transport)
    sdk = openai.AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:9/v1", http_client=client)
    with contextlib.suppress(openai.APIError):
        once = sdk.with_options(timeout=1, max_retries=0)
        await once.post("/chat/completions", cast_to=httpx2.Response, body={})

if openai := sys.modules.get("openai"):
    import httpx2
    for status in (200, 400, 401, 403, 404, 409, 422, 429, 500):
        asyncio.run(ask(httpx2.MockTransport(lambda _: httpx2.Response(status, json={}))))
    asyncio.run(ask(None))  # nobody answers there
print(json.dumps([getattr(each, "__file__", None) for each in list(sys.modules.values())]))
"""


def finish(build: Path) -> int:
    """Leave out of the build what is not used, and write byte-code into it; how many files."""
    sdk = build / "WorkerFunction" / "openai"
    for package in (sdk / "types").rglob("__init__.py"):
        package.write_text(lazy(package.read_text()) or package.read_text())
    imported = {function: set(_imported(function, sdk)) for function in FUNCTIONS}
    _leave_out(build, imported["worker"])
    return _compile(build, imported)


def _leave_out(build: Path, by_the_worker: set[str]) -> None:
    layer, worker = build / "CommonLayer" / "python", build / "WorkerFunction"
    for about in layer.glob("*.dist-info"):  # with its version
        record = worker / about.name / "RECORD"
        for line in record.read_text().splitlines() if record.exists() else ():
            _remove(worker / line.split(",")[0])
    for folder in _OF_ENDPOINTS:
        for source in (worker / folder).rglob("*.py"):
            if source.relative_to(worker).as_posix() not in by_the_worker:
                _remove(source)
    for pattern in _UNREAD:
        for path in [*layer.rglob(pattern), *worker.rglob(pattern)]:
            _remove(path)


def _remove(path: Path) -> None:
    """The file with its byte-code, and the folders that are empty then."""
    path.unlink(missing_ok=True)
    if path.suffix == ".py":
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
    for folder in (path.parent / "__pycache__", path.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _compile(build: Path, imported: dict[str, set[str]]) -> int:
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


def _imported(function: str, sdk: Path) -> Iterator[str]:
    """The files of packages that the function imports, relative to where packages are installed;
    the SDK's are those of the build, which is plain Python for any machine."""
    with tempfile.TemporaryDirectory() as folder:
        roots = [folder, REPOSITORY / "layers" / "common", REPOSITORY / "functions" / function]
        if sdk.is_dir():
            (Path(folder) / sdk.name).symlink_to(sdk.resolve())
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, roots)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        output = subprocess.run(
            [sys.executable, "-c", _IMPORTS], env=environment, check=True, stdout=subprocess.PIPE
        ).stdout
    for file in json.loads(output):
        for installed in (folder, sysconfig.get_path("purelib")):
            if file and Path(file).is_relative_to(installed):
                yield Path(file).relative_to(installed).as_posix()
