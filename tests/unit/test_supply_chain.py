"""Where what ships comes from: locked, with hashes, under licences that a product may live with."""

import importlib.metadata
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from local.toolchain import REPOSITORY, uv

SHIPPED = {"layer": "layers/common", "worker": "functions/worker"}
# Of these a file in what ships asks for no more than to keep its notice.
LICENCES = {
    "MIT", "MIT License", "MIT No Attribution License (MIT-0)",
    "BSD-3-Clause", "BSD License",
    "Apache-2.0", "Apache Software License", "MIT OR Apache-2.0",
    "PSF-2.0",
}  # fmt: skip
WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))


def _requirements(part: str) -> dict[str, str]:
    """The lines of each package that is installed on Lambda, by its name and version."""
    text = (REPOSITORY / SHIPPED[part] / "requirements.txt").read_text().replace("\\\n", "")
    lines = dict(line.split(" ", 1) for line in text.splitlines() if "==" in line)
    return {name: rest for name, rest in lines.items() if "emscripten' \\" not in rest}


@pytest.mark.parametrize("part", SHIPPED)
def test_every_file_that_ships_is_locked_by_its_hash(part: str) -> None:
    requirements = _requirements(part)

    assert requirements
    for name, rest in requirements.items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", rest), name


def _licences(package: str) -> Iterator[str]:
    about = importlib.metadata.metadata(package)
    if expression := about.get("License-Expression"):
        yield expression
        return
    for classifier in about.get_all("Classifier") or ():
        if classifier.startswith("License ::"):
            yield classifier.rpartition(" :: ")[2]


@pytest.mark.parametrize("part", SHIPPED)
def test_licence_of_everything_that_ships_is_known_and_kind(part: str) -> None:
    for requirement, rest in _requirements(part).items():
        if "sys_platform == 'emscripten'" in rest:
            continue  # of no Lambda
        licences = set(_licences(requirement.partition("==")[0]))

        assert licences, f"{requirement} names none"
        assert licences <= LICENCES, requirement


@pytest.mark.parametrize("part", SHIPPED)
def test_bill_of_material_has_all_that_ships(part: str) -> None:
    """What `make sbom` writes."""
    sbom = subprocess.run(
        [uv(), "export", "--quiet", "--frozen", "--only-group", part, "--format", "cyclonedx1.5"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    ).stdout
    bill = json.loads(sbom)
    components = {(each["name"], each["version"]) for each in bill["components"]}

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    for each in bill["components"]:
        assert each["purl"].startswith(f"pkg:pypi/{each['name']}@{each['version']}")
        files = each["externalReferences"]
        assert all(file["hashes"][0]["alg"] == "SHA-256" for file in files), each["name"]

    assert {tuple(name.split("==")) for name in _requirements(part)} <= components


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_their_commit(workflow: Path) -> None:
    """A tag may be moved by whoever takes an account over."""
    used = re.findall(r"uses: (\S+)", workflow.read_text())

    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)] == []


def _locks(name: str) -> list[Path]:
    folders = [each for each in REPOSITORY.glob("[!.]*") if each.is_dir()]
    deep = [lock for folder in folders for lock in folder.rglob(name)]
    top = [REPOSITORY / name] if (REPOSITORY / name).exists() else []
    return top + sorted(lock for lock in deep if "node_modules" not in lock.parts)


UV_LOCKS, NPM_LOCKS = _locks("uv.lock"), _locks("package-lock.json")


def test_what_is_locked_or_pinned_is_kept_up_to_date() -> None:
    updates = yaml.safe_load((REPOSITORY / ".github/dependabot.yml").read_text())["updates"]
    locked = [("uv", each) for each in UV_LOCKS] + [("npm", each) for each in NPM_LOCKS]
    places = {
        (system, f"/{lock.parent.relative_to(REPOSITORY)}".removesuffix("."))
        for system, lock in locked
    }

    assert len(places) >= 5
    assert {(each["package-ecosystem"], each["directory"]) for each in updates} == places | {
        ("github-actions", "/")
    }


@pytest.mark.parametrize("lock", UV_LOCKS, ids=lambda lock: lock.parent.name)
def test_every_file_that_tools_are_made_of_is_locked_by_its_hash(lock: Path) -> None:
    packages = tomllib.loads(lock.read_text())["package"]
    others = {"virtual", "editable"}  # ours

    assert any("registry" in each["source"] for each in packages)
    for package in packages:
        if others & package["source"].keys():
            continue
        assert package["source"] == {"registry": "https://pypi.org/simple"}, package["name"]
        files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
        assert files, package["name"]
        for file in files:
            assert re.fullmatch("sha256:[0-9a-f]{64}", file["hash"]), file["url"]


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda lock: lock.parents[1].name)
def test_every_package_of_npm_is_locked_by_its_hash(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    of_others = {name: each for name, each in packages.items() if name}  # the root is ours

    assert of_others
    for name, package in of_others.items():
        assert re.fullmatch(r"sha512-[\w+/]{86}==", package["integrity"]), name
        # From elsewhere than the registry nothing comes: an address is only there if it differs.
        assert "resolved" not in package, name


def test_npm_installs_from_the_lock_alone_and_runs_no_package() -> None:
    """Wherever npm is called to install: `npm ci`, without the packages' own scripts."""
    calls = [
        (path, found)
        for path in (REPOSITORY / "tests/integration").glob("*.py")
        for found in re.findall(
            r'NPM, "(ci|install|i|add|exec)"(.*?)cwd=', path.read_text(), re.DOTALL
        )
    ]

    assert len(calls) >= 2
    for path, (command, options) in calls:
        assert command == "ci", path
        assert "--ignore-scripts" in options or "*options" in options, path
