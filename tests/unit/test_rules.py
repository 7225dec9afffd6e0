"""Parameters of template.yaml that do not go together are refused before anything is made."""

from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from deploy.parameters import complaints
from tests.lint_template import PARAMETER_SETS, TEMPLATE

REFUSED: dict[str, dict[str, str]] = {
    "AudienceGoesWithIssuer": {"JwtIssuer": "https://issuer.example"},
    "OneWayToTellOfAlarms": {
        "AlarmEmail": "a@example.com",
        "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:t",
    },
    "CertificateGoesWithDomain": {"DomainName": "api.example.com"},
    "NetworkGoesWithStatusCache": {
        "StatusCacheUrl": "rediss://jobs.example:6379",
        "StatusCacheSubnetIds": "subnet-01234567",
    },
}
TAKEN: dict[str, dict[str, str]] = PARAMETER_SETS


def _rules() -> dict[str, Any]:
    rules: dict[str, Any] = yaml_parse(TEMPLATE.read_text("utf-8"))["Rules"]
    return rules


def test_every_rule_is_tried() -> None:
    assert set(_rules()) == set(REFUSED)


@pytest.mark.parametrize("rule", REFUSED)
def test_what_does_not_go_together_is_refused(rule: str) -> None:
    [complaint] = complaints(REFUSED[rule])

    assert complaint in [each["AssertDescription"] for each in _rules()[rule]["Assertions"]]


@pytest.mark.parametrize("name", TAKEN)
def test_what_goes_together_is_taken(name: str) -> None:
    assert complaints(TAKEN[name]) == []
