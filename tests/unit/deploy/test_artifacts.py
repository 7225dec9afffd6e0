"""The byte-code of a build, and what speaks against uploading one."""

import importlib.util
import marshal
from pathlib import Path

import openai
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
    worker = build / "WorkerFunction"
    for place in (layer, worker):
        for name in ("__init__.py", "main.py", "mypy.py", "py.typed"):
            _copy(package / name, place / "pydantic" / name)
        about = place / "pydantic-2.dist-info"
        about.mkdir()
        (about / "LICENSE").write_text("MIT")
        named = [path for folder in ("pydantic", about.name) for path in (place / folder).iterdir()]
        lines = [f"{path.relative_to(place)},sha256=x,1" for path in named]
        (about / "RECORD").write_text("\n".join([*lines, f"{about.name}/RECORD,,"]))
    (worker / "another-1.dist-info").mkdir()
    (worker / "another-1.dist-info" / "LICENSE").write_text("MIT")
    (worker / "another.pyi").write_text("")
    sdk = Path(openai.__file__).parent
    for path in sdk.rglob("*.py"):
        _copy(path, worker / "openai" / path.relative_to(sdk))
    (layer / "pydantic" / "core.so").write_bytes(_elf(183))
    artifacts.finish(build)
    return build


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def _compiled(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source)))


def test_all_of_our_own_is_compiled(build: Path) -> None:
    sdk = build / "WorkerFunction" / "openai"
    ours = [path for path in build.glob("*Function/**/*.py") if not path.is_relative_to(sdk)]
    ours += build.glob("CommonLayer/python/simmer/**/*.py")

    assert len(ours) > 40
    assert [path for path in ours if not _compiled(path).is_file()] == []


def test_of_a_package_is_compiled_what_is_imported(build: Path) -> None:
    package = build / "CommonLayer" / "python" / "pydantic"

    assert _compiled(package / "main.py").is_file()
    assert not _compiled(package / "mypy.py").exists()


def test_worker_has_no_second_copy_of_what_its_layer_has(build: Path) -> None:
    layer, worker = build / "CommonLayer" / "python", build / "WorkerFunction"

    assert not (worker / "pydantic").exists()
    assert not (worker / "pydantic-2.dist-info").exists()
    assert (layer / "pydantic" / "mypy.py").is_file()
    assert (layer / "pydantic-2.dist-info" / "LICENSE").is_file()


def test_worker_has_of_the_sdk_what_its_calls_import(build: Path) -> None:
    sdk = build / "WorkerFunction" / "openai"
    left = list((sdk / "resources").rglob("*.py")) + list((sdk / "types").rglob("*.py"))

    assert [path for path in left if not _compiled(path).is_file()] == []
    assert len(left) < 100  # of two thousand
    assert _compiled(sdk / "_base_client.py").is_file()


def test_licences_stay_and_what_nobody_opens_goes(build: Path) -> None:
    worker = build / "WorkerFunction"

    assert (worker / "another-1.dist-info" / "LICENSE").is_file()
    assert not (worker / "another.pyi").exists()


def test_finished_build_stays_the_same(build: Path) -> None:
    before = {path: path.read_bytes() for path in build.rglob("*") if path.is_file()}
    artifacts.finish(build)

    assert {path: path.read_bytes() for path in build.rglob("*") if path.is_file()} == before


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
