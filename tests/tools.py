"""Tools that live in an environment of their own, since they are large or get on with nobody."""

import os
from pathlib import Path

from local.toolchain import BUILD, REPOSITORY, run_tool, uv


def environment_of(group: str) -> Path:
    """The environment with that group of pyproject.toml, as it is locked."""
    venv = BUILD / f"{group}-venv"
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    run_tool(
        *(uv(), "sync", "--locked", "--quiet", "--only-group", group),
        *("--project", REPOSITORY),
        env=environment | {"UV_PROJECT_ENVIRONMENT": str(venv)},
    )
    return venv
