"""An environment's parameters: one set, checked before anything is built."""

import json
from pathlib import Path

import pytest
from samcli.cli.types import CfnParameterOverridesType

from deploy.parameters import (
    CONFIGURATION,
    UnknownEnvironment,
    complaints,
    deploy_id,
    environment,
    overrides,
)

LADDER = '[{"model": "a b", "key": "c\\\\d"}, {"model":"c"}]'


@pytest.mark.parametrize("name", ["default", "dev", "prod"])
def test_environment_of_the_repository_can_be_deployed(name: str) -> None:
    _, parameters = environment(name)

    assert complaints(parameters) == []


def test_every_environment_is_a_stack_of_its_own() -> None:
    names = [environment(name)[0] for name in ("default", "dev", "prod")]

    assert len(set(names)) == 3


def test_unknown_environment_names_those_that_there_are() -> None:
    with pytest.raises(UnknownEnvironment, match="default, dev, prod"):
        environment("production")


def test_parameters_that_only_the_deployment_would_read_are_refused(tmp_path: Path) -> None:
    """As `sam deploy --guided` leaves them: the build would be for another architecture."""
    text = CONFIGURATION.read_text() + '\nparameter_overrides = "Architecture=\\"x86_64\\""\n'
    changed = tmp_path / "samconfig.toml"
    changed.write_text(text)

    with pytest.raises(UnknownEnvironment, match=r"put them under \[prod.global.parameters"):
        environment("prod", changed)


@pytest.mark.parametrize(
    ("name", "value", "about"),
    [
        ("DailyJobQuota", "1.5", "whole number"),
        ("Architecture", "arm", "arm64, x86_64"),
        ("AllowedOrigins", "https://app.example,app.example", "origins"),
        ("ModelLadder", "[{'model': 'a'}]", "double quotes"),
        ("ModelLadder", '[{"model": "a", "timeoutSeconds": 500}]', "timeoutSeconds"),
        ("ModelLadder", '[{"model": "a", "base_url": "https://x"}]', "base_url"),
        ("DailyJobQuotas", "5", "no such parameter"),
    ],
)
def test_wrong_parameter_is_named_before_anything_is_built(
    name: str, value: str, about: str
) -> None:
    [*_, complaint] = complaints({name: value})

    assert complaint.startswith(f"{name}: ")
    assert about in complaint


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ({"JwtIssuer": "https://issuer.example"}, "JwtIssuer needs the JwtAudience"),
        ({"JwtIssuer": "https://issuer.example", "JwtAudience": ""}, "needs the JwtAudience"),
        ({"DomainName": "api.example.com"}, "DomainName needs the CertificateArn"),
        (
            {"AlarmEmail": "a@b.example", "AlarmTopicArn": "arn:aws:sns:r:123456789012:t"},
            "AlarmTopicArn",
        ),
    ],
)
def test_parameters_that_do_not_go_together_are_named_before_anything_is_built(
    given: dict[str, str], about: str
) -> None:
    [complaint] = complaints(given)

    assert about in complaint


def test_ladder_that_no_function_has_room_for_is_named_before_anything_is_built() -> None:
    ladder = json.dumps([{"model": f"model-{number:0700}"} for number in range(5)])

    assert complaints({"ModelLadder": ladder}) == ["ModelLadder: may have 3000 bytes at most"]


def test_right_parameters_are_not_complained_about() -> None:
    right = {
        "ModelLadder": LADDER,
        "AllowedOrigins": "https://a.example, https://b.example",
        "JwtIssuer": "https://issuer.example/",
        "JwtAudience": "app,another",
        "DomainName": "api.example.com",
        "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/c",
        "AlarmEmail": "ops@example.com",
    }

    assert complaints(right) == []


@pytest.mark.parametrize("value", ["", "a b", LADDER, "https://a.example,https://b.example"])
def test_sam_reads_what_it_is_given(value: str) -> None:
    given = {"First": value, "Second": "2"}

    assert CfnParameterOverridesType().convert(tuple(overrides(given)), None, None) == given


def test_id_of_a_deployment_is_that_of_its_parameters() -> None:
    one = {"DailyJobQuota": "5", "RetentionSeconds": "60"}

    assert deploy_id(one) == deploy_id(dict(reversed(one.items())))
    assert deploy_id(one) != deploy_id(one | {"DailyJobQuota": "6"})
    assert complaints({"DeployId": deploy_id(one)}) == []
