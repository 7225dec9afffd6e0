"""The release of the packages: the workflow as it is written, and the links that it writes."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.toolchain import REPOSITORY, uv

WORKFLOW: dict[str, Any] = yaml.safe_load(
    (REPOSITORY / ".github/workflows/release.yml").read_text("utf-8")
)
URL = "https://github.com/a-team/an-app"
LINKS = {
    "Homepage": URL,
    "Repository": URL,
    "Issues": f"{URL}/issues",
    "Changelog": f"{URL}/blob/HEAD/CHANGELOG.md",
}


def runs(job: str) -> list[str]:
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "clients"
    for part in ("python", "web"):
        shutil.copytree(REPOSITORY / "clients" / part, folder / part)
    shutil.copy(REPOSITORY / "clients" / "urls.py", folder)
    return folder


def write(copy: Path, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, copy / "urls.py", url], capture_output=True, text=True)


def test_no_source_claims_an_address() -> None:
    package = json.loads((REPOSITORY / "clients/web/package.json").read_text("utf-8"))
    project = tomllib.loads((REPOSITORY / "clients/python/pyproject.toml").read_text("utf-8"))

    assert not {"repository", "homepage", "bugs"} & package.keys()
    assert "urls" not in project["project"]


def test_npm_is_told_where_the_package_is_built(copy: Path) -> None:
    before = json.loads((copy / "web" / "package.json").read_text("utf-8"))

    assert write(copy, f"{URL}.git").returncode == 0

    package = json.loads((copy / "web" / "package.json").read_text("utf-8"))
    assert package == before | {
        "homepage": f"{URL}/tree/HEAD/clients/web#readme",
        "repository": {"type": "git", "url": f"git+{URL}.git", "directory": "clients/web"},
        "bugs": {"url": f"{URL}/issues"},
    }


def test_the_wheel_and_the_source_have_the_links(copy: Path, tmp_path: Path) -> None:
    assert write(copy, URL).returncode == 0
    subprocess.run(
        [uv(), "build", "--quiet", copy / "python", "--out-dir", tmp_path / "dist"], check=True
    )

    [wheel] = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith("/METADATA")]
        told = Parser().parsestr(archive.read(name).decode())
    links = [link.split(", ", 1) for link in told.get_all("Project-URL") or ()]
    assert dict(links) == LINKS
    [source] = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(source) as archive:
        assert any(name.endswith("/PKG-INFO") for name in archive.getnames())


@pytest.mark.parametrize("url", ["", "git@github.com:a/b.git", "http://example.com/a/b"])
def test_what_is_no_page_is_refused(copy: Path, url: str) -> None:
    before = (copy / "web" / "package.json").read_bytes()

    refused = write(copy, url)

    assert refused.returncode != 0
    assert "https://" in refused.stderr
    assert (copy / "web" / "package.json").read_bytes() == before


@pytest.mark.parametrize(("job", "build"), [("python", "uv build"), ("web", "npm pack")])
def test_the_links_are_written_before_the_package_is_built(job: str, build: str) -> None:
    [links] = [at for at, run in enumerate(runs(job)) if "clients/urls.py" in run]
    [built] = [at for at, run in enumerate(runs(job)) if build in run]

    assert links < built
    assert '"$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"' in runs(job)[links]


def test_every_file_that_the_workflow_names_is_there() -> None:
    for job in ("python", "web"):
        for step in WORKFLOW["jobs"][job]["steps"]:
            folder = REPOSITORY / step.get("working-directory", ".")
            assert folder.is_dir()
            for name in re.findall(r"[\w/]+\.(?:py|js)\b", step.get("run", "")):
                assert (folder / name).is_file(), name
    assert (REPOSITORY / "clients/python/pyproject.toml").is_file()


def test_what_is_published_is_what_was_checked_and_attested() -> None:
    jobs = WORKFLOW["jobs"]
    publish = jobs["publish"]

    assert set(publish["needs"]) == {"python", "web"}
    assert "vars.PUBLISH_CLIENTS == 'true'" in publish["if"]
    assert "refs/tags/" in publish["if"]
    for job in ("python", "web"):
        used = [step.get("uses", "").partition("@")[0] for step in jobs[job]["steps"]]
        attested, kept = (
            used.index("actions/attest-build-provenance"),
            used.index("actions/upload-artifact"),
        )
        assert attested < kept
        assert jobs[job]["permissions"]["attestations"] == "write"
    assert not any("build" in step.get("run", "") for step in publish["steps"])
    assert WORKFLOW["permissions"] == {"contents": "read"}
