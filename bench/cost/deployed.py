"""The deployment that is priced: the template's parameters, and what they are a measure of."""

import json
from dataclasses import dataclass
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local.toolchain import REPOSITORY, TEMPLATE


@dataclass(frozen=True, slots=True)
class Deployed:
    """`batch` is what Lambda hands a worker at once, `worker_jobs` what the worker has room for."""

    workers: int
    batch: int
    worker_jobs: int
    worker_mb: int
    api_mb: int
    architecture: str
    system_log_level: str
    metrics: str  # "true" or "false"


def shipped() -> Deployed:
    """By the template's own defaults."""
    template: dict[str, Any] = yaml_parse(TEMPLATE.read_text("utf-8"))
    default = {name: each.get("Default") for name, each in template["Parameters"].items()}
    shared = template["Globals"]["Function"]
    worker = template["Resources"]["WorkerFunction"]["Properties"]
    return Deployed(
        workers=int(default["WorkerMaximumConcurrency"]),
        batch=int(worker["Events"]["Jobs"]["Properties"]["BatchSize"]),
        worker_jobs=int(default["WorkerJobs"]),
        worker_mb=int(default["WorkerMemoryMb"]),
        api_mb=int(shared["MemorySize"]),
        architecture=str(default["Architecture"]),
        system_log_level=str(shared["LoggingConfig"].get("SystemLogLevel", "INFO")),
        metrics=str(default["Metrics"]),
    )


def alarms() -> int:
    """How many alarms a deployment has."""
    monitoring: dict[str, Any] = yaml_parse((REPOSITORY / "monitoring.yaml").read_text("utf-8"))
    kinds = [each["Type"] for each in monitoring["Resources"].values()]
    return kinds.count("AWS::CloudWatch::Alarm")


def first_model() -> str:
    """The cheapest rung of the default ladder."""
    template: dict[str, Any] = yaml_parse(TEMPLATE.read_text("utf-8"))
    ladder = json.loads(template["Parameters"]["ModelLadder"]["Default"])
    return str(ladder[0]["model"])
