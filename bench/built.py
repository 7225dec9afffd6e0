"""What `sam build` makes, finished as by `make build`, and an interpreter like Lambda's for it."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from deploy import artifacts
from local.toolchain import BUILD, REPOSITORY, run_tool, uv


def lambda_python() -> Path:
    """An interpreter with what Lambda's has."""
    venv = BUILD / "lambda-python"
    packages = [f"{name}=={version(name)}" for name in ("awslambdaric", "boto3")]
    run_tool(uv(), "venv", "--quiet", "--allow-existing", "--python", "3.13", venv)
    run_tool(uv(), "pip", "install", "--quiet", "--python", venv / "bin/python", *packages)
    return venv / "bin/python"


# This machine's, by the template's names.
ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


def built(architecture: str = ARCHITECTURE) -> Path:
    """The folder with all functions and the layer, built anew where something changed."""
    folder = BUILD / f"sam-{architecture}"
    run_tool(
        Path(sys.executable).with_name("sam"),
        "build",
        *("--template", REPOSITORY / "template.yaml", "--build-dir", folder),
        *("--cached", "--parallel", "--cache-dir", BUILD / f"sam-cache-{architecture}"),
        *("--parameter-overrides", f"Architecture={architecture}"),
        env={**os.environ, "SAM_CLI_TELEMETRY": "0"},
    )
    artifacts.finish(folder)
    return folder
