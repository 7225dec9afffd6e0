"""Writes the repository's address into both packages, for a release: `python clients/urls.py URL`.

No address stands in the sources, for they do not know where they are hosted; the release workflow
does. npm's provenance wants `repository` to be the one that the package was built in.
"""

import json
import sys
from pathlib import Path

CLIENTS = Path(__file__).resolve().parent


def write(url: str, clients: Path) -> None:
    """`url` is the repository's page, such as https://github.com/owner/name."""
    if not url.startswith("https://"):
        raise SystemExit(f"urls.py: the repository's page begins with https://, not {url!r}")
    url = url.rstrip("/").removesuffix(".git")
    issues = f"{url}/issues"
    changelog = f"{url}/blob/HEAD/CHANGELOG.md"

    package = clients / "web" / "package.json"
    described = json.loads(package.read_text("utf-8"))
    described |= {
        "homepage": f"{url}/tree/HEAD/clients/web#readme",
        "repository": {"type": "git", "url": f"git+{url}.git", "directory": "clients/web"},
        "bugs": {"url": issues},
    }
    package.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", "utf-8")

    project = clients / "python" / "pyproject.toml"
    text = project.read_text("utf-8")
    if "[project.urls]" in text:
        raise SystemExit("urls.py: pyproject.toml has its addresses already")
    links = {"Homepage": url, "Repository": url, "Issues": issues, "Changelog": changelog}
    table = "".join(f'{name} = "{link}"\n' for name, link in links.items())
    project.write_text(
        text.replace("[build-system]", f"[project.urls]\n{table}\n[build-system]", 1), "utf-8"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    write(sys.argv[1], CLIENTS)
