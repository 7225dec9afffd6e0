"""What a function is told by its environment, and the only place that reads it.

`template.yaml` sets these variables. A missing or unusable one is an error that names it, at the
first call that needs it and before anything else happens.
"""

import os
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError
from pydantic.alias_generators import to_snake


def _upper(name: str) -> str:
    return to_snake(name).upper()


class SettingsError(Exception):
    """The deployment is wrong. The text names the variables, never their values."""


class _Settings(BaseModel):
    model_config = ConfigDict(
        alias_generator=_upper,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # the environment holds the function's credentials
    )

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment, or `SettingsError`."""
        try:
            return cls.model_validate(dict(os.environ))
        except ValidationError as error:
            names = sorted({str(complaint["loc"][0]) for complaint in error.errors()})
            raise SettingsError(f"missing or unusable: {', '.join(names)}") from None


class TableSettings(_Settings):
    """Of the functions that need nothing but the jobs: status and cancel."""

    jobs_table: str


class _Rung(BaseModel):
    """What is to be known of a rung of the ladder outside the worker."""

    model: str


class SubmitSettings(_Settings):
    """Of the function that admits jobs."""

    jobs_table: str
    jobs_queue_url: str
    push_url: str = ""  # where clients subscribe; empty is no push
    push_key_secret: str = ""
    cache_scope: Literal["user", "shared"] = "user"
    daily_job_quota: Annotated[int, Field(ge=1)] = 100
    job_deadline_seconds: Annotated[int, Field(ge=30)] = 300
    retention_seconds: Annotated[int, Field(ge=60)] = 24 * 3600
    model_ladder: Json[list[_Rung]] = []

    @property
    def models(self) -> list[str]:
        """The models that may answer, each once."""
        return list(dict.fromkeys(rung.model for rung in self.model_ladder))


class PushSettings(_Settings):
    """Of the function that tells subscribers."""

    jobs_table: str
    push_endpoint: str  # where API Gateway takes what is for them
    push_key_secret: str


class WorkerSettings(_Settings):
    """Of the function that runs jobs. `model_ladder` is read by the worker's own `ladder`."""

    jobs_table: str
    jobs_queue_url: str
    model_ladder: str
    model_keys_secret: str
    lease_seconds: Annotated[int, Field(ge=2)] = 20
    heartbeat_seconds: Annotated[int, Field(ge=1)] = 6
    retention_seconds: Annotated[int, Field(ge=60)] = 24 * 3600
    daily_budget_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0  # 0 is no limit
