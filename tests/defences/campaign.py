"""Take a defence away in a copy of the repository, and see what its test says."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.defences.removals import Removal

ROOT = Path(__file__).parents[2]
FAILED = 1  # pytest: tests were run, and some failed; a test that cannot be run is none


@dataclass(frozen=True, slots=True)
class Verdict:
    """What pytest made of the test; `tail` is the end of what it said."""

    code: int
    failed: tuple[str, ...]
    tail: str

    @property
    def is_shown(self) -> bool:
        return self.code == FAILED and bool(self.failed)


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of what git knows, on the environments of this one."""
    with tempfile.TemporaryDirectory(prefix="defences-") as folder:
        copy = Path(folder)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, check=True,
        ).stdout.decode()  # fmt: skip
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name)
        (copy / ".venv").symlink_to(ROOT / ".venv")
        (copy / ".build").mkdir()
        for venv in (ROOT / ".build").glob("*-venv"):
            (copy / ".build" / venv.name).symlink_to(venv)
        yield copy


def without(copy: Path, removal: Removal) -> Verdict:
    """The test's verdict while the defence is away; the copy is whole again then."""
    file = copy / removal.path
    text = file.read_text()
    if text.count(removal.old) != 1:
        raise ValueError(f"{removal.name}: what it removes stands in {removal.path} not once")
    file.write_text(text.replace(removal.old, removal.new))
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", removal.test, "-q", "-x", "-p", "no:cacheprovider"],
            cwd=copy,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        file.write_text(text)
    failed = [line for line in ran.stdout.splitlines() if line.startswith("FAILED ")]
    return Verdict(ran.returncode, tuple(failed), (ran.stdout + ran.stderr)[-2000:])
