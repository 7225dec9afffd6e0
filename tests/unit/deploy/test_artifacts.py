"""The byte-code of a build, and what speaks against uploading one."""

import importlib.util
import marshal
from pathlib import Path

import pydantic
import pytest

from deploy import artifacts
from deploy.parameters import REPOSITORY
from tests.unit.test_deployment import FUNCTIONS


def _elf(machine: int) -> bytes:
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `sam build` leaves it, with one package."""
    build = tmp_path_factory.mktemp("build")
    for function in FUNCTIONS:
        source = REPOSITORY / "functions" / function.removesuffix("Function").lower()
        for path in source.rglob("*.py"):
            _copy(path, build / function / path.relative_to(source))
    layer = build / "CommonLayer" / "python"
    for path in (REPOSITORY / "layers" / "common").rglob("*.py"):
        _copy(path, layer / path.relative_to(REPOSITORY / "layers" / "common"))
    package = Path(pydantic.__file__).parent
    for name in ("__init__.py", "main.py", "mypy.py"):
        _copy(package / name, layer / "pydantic" / name)
    (layer / "pydantic" / "core.so").write_bytes(_elf(183))
    artifacts.compile_imported(build)
    return build


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def _compiled(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source)))


def test_all_of_our_own_is_compiled(build: Path) -> None:
    ours = [*build.glob("*Function/**/*.py"), *build.glob("CommonLayer/python/simmer/**/*.py")]

    assert len(ours) > 40
    assert [path for path in ours if not _compiled(path).is_file()] == []


def test_of_a_package_is_compiled_what_is_imported(build: Path) -> None:
    package = build / "CommonLayer" / "python" / "pydantic"

    assert _compiled(package / "main.py").is_file()
    assert not _compiled(package / "mypy.py").exists()


def test_byte_code_is_used_whatever_the_dates_and_says_where_it_runs(build: Path) -> None:
    compiled = _compiled(build / "StatusFunction" / "app.py").read_bytes()
    flags = int.from_bytes(compiled[4:8], "little")

    assert compiled[:4] == importlib.util.MAGIC_NUMBER
    assert flags == 0b01  # PEP 552: by a hash, which is not compared with the source's
    assert marshal.loads(compiled[16:]).co_filename == "/var/task/app.py"
    layer = _compiled(build / "CommonLayer" / "python" / "simmer" / "clock.py").read_bytes()
    assert marshal.loads(layer[16:]).co_filename == "/opt/python/simmer/clock.py"


def test_whole_build_has_no_faults(build: Path) -> None:
    assert artifacts.faults(build, "arm64") == []


def test_build_for_another_architecture_is_refused(build: Path) -> None:
    [fault] = artifacts.faults(build, "x86_64")

    assert "core.so is not for x86_64" in fault


def test_build_without_byte_code_is_refused(tmp_path: Path) -> None:
    for name in FUNCTIONS:
        (tmp_path / name).mkdir()
    (tmp_path / "CommonLayer").mkdir()

    faults = artifacts.faults(tmp_path, "arm64")

    assert sorted(faults) == [
        f"{name} has no byte-code of Python 3.13" for name in sorted(["CommonLayer", *FUNCTIONS])
    ]


def test_build_that_has_grown_is_refused(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(artifacts.LARGEST_BYTES, "CommonLayer", 1000)

    [fault] = artifacts.faults(build, "arm64")

    assert fault.startswith("CommonLayer has ")


def test_half_a_build_is_refused(tmp_path: Path) -> None:
    assert "WorkerFunction is not in the build" in artifacts.faults(tmp_path, "arm64")
