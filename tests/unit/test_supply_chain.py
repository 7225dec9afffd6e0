"""Where what ships comes from: locked, with hashes, under licences that a product may live with."""

import importlib.metadata
import json
import re
import subprocess
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
    components = {(each["name"], each["version"]) for each in json.loads(sbom)["components"]}

    assert {tuple(name.split("==")) for name in _requirements(part)} <= components


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_their_commit(workflow: Path) -> None:
    """A tag may be moved by whoever takes an account over."""
    used = re.findall(r"uses: (\S+)", workflow.read_text())

    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)] == []


def test_what_is_locked_or_pinned_is_kept_up_to_date() -> None:
    updates = yaml.safe_load((REPOSITORY / ".github/dependabot.yml").read_text())["updates"]

    assert {(each["package-ecosystem"], each["directory"]) for each in updates} == {
        ("uv", "/"),
        ("uv", "/local/emulator"),
        ("github-actions", "/"),
    }
