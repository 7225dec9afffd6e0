"""The two packages say the same of themselves, and know the API's codes."""

import json
import re
import tomllib

import pytest

from local.toolchain import REPOSITORY

WEB = json.loads((REPOSITORY / "clients/web/package.json").read_text("utf-8"))
PYTHON = tomllib.loads((REPOSITORY / "clients/python/pyproject.toml").read_text("utf-8"))["project"]
TYPES = (REPOSITORY / "clients/web/simmer.d.ts").read_text("utf-8")
SCHEMAS = json.loads((REPOSITORY / "openapi.json").read_text("utf-8"))["components"]["schemas"]


def test_they_have_one_version_one_name_and_one_licence() -> None:
    for field in ("name", "version", "license"):
        assert WEB[field] == PYTHON[field]


@pytest.mark.parametrize("name", ["ProblemCode", "JobErrorCode"])
def test_the_types_know_every_code_of_the_api(name: str) -> None:
    written = re.search(rf"(?s)export type {name} =(.*?);", TYPES)
    assert written
    known = set(re.findall(r'"(\w+)"', written[1]))
    promised = set(SCHEMAS[name.removeprefix("Job")]["enum"])

    assert promised <= known
    gateway = {"unauthorized", "forbidden", "not_found", "too_many_requests"}
    assert known - promised <= gateway
