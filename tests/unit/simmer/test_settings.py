"""The settings that a function reads from its environment."""

import pytest

from simmer.settings import SettingsError, SubmitSettings, TableSettings, WorkerSettings

SUBMIT = {"JOBS_TABLE": "jobs", "JOBS_QUEUE_URL": "https://queue"}
WORKER = SUBMIT | {"MODEL_LADDER": "[]", "MODEL_KEYS_SECRET": "arn"}


def _set(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("settings", "variables", "missing"),
    [
        (TableSettings, {}, "JOBS_TABLE"),
        *((SubmitSettings, SUBMIT, missing) for missing in SUBMIT),
        *((WorkerSettings, WORKER, missing) for missing in WORKER),
    ],
)
def test_missing_variable_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
    settings: type[TableSettings | SubmitSettings | WorkerSettings],
    variables: dict[str, str],
    missing: str,
) -> None:
    _set(monkeypatch, {name: value for name, value in variables.items() if name != missing})

    with pytest.raises(SettingsError, match=rf": {missing}$"):
        settings.from_env()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CACHE_SCOPE", "everyone"),
        ("DAILY_JOB_QUOTA", "0"),
        ("DAILY_JOB_QUOTA", "many"),
        ("JOB_DEADLINE_SECONDS", "9"),
        ("RETENTION_SECONDS", "59"),
    ],
)
def test_unusable_variable_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    _set(monkeypatch, SUBMIT | {name: value})

    with pytest.raises(SettingsError, match=rf": {name}$"):
        SubmitSettings.from_env()


@pytest.mark.parametrize("value", ["-1", "inf", "nan", "much", ""])
def test_unusable_budget_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    _set(monkeypatch, WORKER | {"DAILY_BUDGET_USD": value})

    with pytest.raises(SettingsError, match=r": DAILY_BUDGET_USD$"):
        WorkerSettings.from_env()


@pytest.mark.parametrize(("value", "usd"), [("0", 0), ("2.5", 2.5), ("1000", 1000)])
def test_budget_is_in_dollars(monkeypatch: pytest.MonkeyPatch, value: str, usd: float) -> None:
    _set(monkeypatch, WORKER | {"DAILY_BUDGET_USD": value})

    assert WorkerSettings.from_env().daily_budget_usd == usd


def test_error_quotes_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {"AWS_SECRET_ACCESS_KEY": "hunter2", "AAA": "hunter2", "ZZZ": "hunter2"})

    with pytest.raises(SettingsError) as error:
        TableSettings.from_env()

    assert "hunter2" not in str(error.value)


def test_numbers_are_read_from_text(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, SUBMIT | {"DAILY_JOB_QUOTA": "7"})

    assert SubmitSettings.from_env().daily_job_quota == 7
