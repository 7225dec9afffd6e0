"""The settings of a function: the only module that reads the environment.

`template.yaml` sets these variables. A missing or unusable variable is an error that names it,
raised at the first call that needs the variable, before anything else happens. (No pydantic here: a
poll needs settings, and would load pydantic for nothing else.)
"""

import dataclasses
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self


class SettingsError(Exception):
    """The deployment is wrong. The text names the variables, never their values."""


def _read(convert: Callable[[str], Any], default: Any, **about: Any) -> Any:
    """A field that `convert` reads from the text of its variable, or refuses by a `ValueError`.
    `about` it: `variable` is its name in the environment, if it is another than the field's."""
    return dataclasses.field(default=default, metadata={"convert": convert, **about})


def _number[N: (int, float)](kind: Callable[[str], N], *, at_least: N, default: N) -> N:
    def convert(text: str) -> N:
        number = kind(text)
        if not at_least <= number < math.inf:
            raise ValueError
        return number

    number: N = _read(convert, default, at_least=at_least)
    return number


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _cache_scope(text: str) -> str:
    return {"user": "user", "shared": "shared"}[text]


def _models(ladder: str) -> tuple[str, ...]:
    """The models of a ladder, each once; the worker reads the rest of it."""
    rungs = json.loads(ladder)
    if not all(isinstance(rung, dict) and isinstance(rung.get("model"), str) for rung in rungs):
        raise ValueError
    return tuple(dict.fromkeys(rung["model"] for rung in rungs))


@dataclass(frozen=True, kw_only=True)
class _Settings:
    @classmethod
    def from_env(cls) -> Self:
        """Read the environment, or raise `SettingsError`."""
        values: dict[str, Any] = {}
        wrong = []
        for field in dataclasses.fields(cls):
            variable = field.metadata.get("variable", field.name.upper())
            if variable not in os.environ:
                if field.default is dataclasses.MISSING:
                    wrong.append(variable)
                continue
            try:
                values[field.name] = field.metadata.get("convert", str)(os.environ[variable])
            except (LookupError, ValueError, TypeError):
                wrong.append(variable)
        if wrong:
            raise SettingsError(f"missing or unusable: {', '.join(sorted(wrong))}")
        return cls(**values)


def aws_environment() -> dict[str, str]:
    """The variables that say where AWS is, with which keys, trusting whom, and through what."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("AWS_") or name.upper() in _ON_THE_WAY
    }


_ON_THE_WAY = {"HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"}


def trace_header() -> dict[str, str]:
    """What joins a call to the trace of the invocation, if Lambda draws one."""
    trace = os.environ.get("_X_AMZN_TRACE_ID")
    return {"x-amzn-trace-id": trace} if trace else {}


@dataclass(frozen=True, kw_only=True)
class MetricsSettings(_Settings):
    """Whether, and where, CloudWatch counts what a job's story tells."""

    metrics: bool = _read(_flag, default=False)
    metrics_namespace: str = "Simmer"


@dataclass(frozen=True, kw_only=True)
class TableSettings(_Settings):
    """Where the jobs are: for status and cancel there is nothing else."""

    jobs_table: str
    status_cache_url: str = ""  # of a Valkey; empty is none


@dataclass(frozen=True, kw_only=True)
class SubmitSettings(TableSettings):
    """The settings of the function that admits jobs. `models`: the ladder's models, each once."""

    jobs_queue_url: str
    push_url: str = ""  # where clients subscribe; empty is no push
    push_key_secret: str = ""
    cache_scope: str = _read(_cache_scope, "user")  # or "shared"
    daily_job_quota: int = _number(int, at_least=1, default=100)
    jobs_in_flight: int = _number(int, at_least=1, default=20)
    job_deadline_seconds: int = _number(int, at_least=30, default=300)
    retention_seconds: int = _number(int, at_least=60, default=24 * 3600)
    ledger_shards: int = _number(int, at_least=1, default=1)
    models: tuple[str, ...] = _read(_models, (), variable="MODEL_LADDER")


@dataclass(frozen=True, kw_only=True)
class PushSettings(TableSettings):
    """The settings of the function that tells subscribers."""

    push_endpoint: str  # where API Gateway takes frames for the clients
    push_key_secret: str


@dataclass(frozen=True, kw_only=True)
class EventsSettings(_Settings):
    """The settings of the function that tells EventBridge."""

    event_bus: str  # its name


@dataclass(frozen=True, kw_only=True)
class WebhookSettings(_Settings):
    """The settings of the function that tells the team's own server."""

    webhook_url: str
    webhook_queue_url: str  # the ends that it has to be told
    webhook_secret: str
    webhook_loopback: bool = _read(_flag, default=False)  # only local/ sets it: http to 127.0.0.1


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(TableSettings):
    """The settings of the function that runs jobs. The worker's `ladder` reads `model_ladder`."""

    jobs_queue_url: str
    model_ladder: str
    model_keys_secret: str
    worker_jobs: int = _number(int, at_least=1, default=30)  # at once, of one worker
    lease_seconds: int = _number(int, at_least=2, default=23)
    heartbeat_seconds: float = _number(float, at_least=1.0, default=5.0)
    retention_seconds: int = _number(int, at_least=60, default=24 * 3600)
    ledger_shards: int = _number(int, at_least=1, default=1)
    daily_budget_usd: float = _number(float, at_least=0.0, default=0.0)  # 0 is no limit
    log_complaints: bool = _read(_flag, default=False)  # they may quote users: for development
