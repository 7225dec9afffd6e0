"""Parameters of template.yaml that do not go together are refused before anything is made."""

from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from local.emulator.sam import parameter_values
from tests.lint_template import PARAMETER_SETS, TEMPLATE

REFUSED: dict[str, dict[str, str]] = {
    "AudienceGoesWithIssuer": {"JwtIssuer": "https://issuer.example"},
    "OneWayToTellOfAlarms": {"AlarmEmail": "a@example.com", "AlarmTopicArn": "arn:aws:sns:r:1:t"},
    "CertificateGoesWithDomain": {"DomainName": "api.example.com"},
    "LargeBatchIsGathered": {"WorkerBatchSize": "20"},
    "NetworkGoesWithStatusCache": {
        "StatusCacheUrl": "rediss://jobs.example:6379",
        "StatusCacheSubnetIds": "subnet-01234567",
    },
}
TAKEN: dict[str, dict[str, str]] = {
    **PARAMETER_SETS,
    "large batches": {"WorkerBatchSize": "30", "WorkerBatchingWindowSeconds": "1"},
    "a window alone": {"WorkerBatchingWindowSeconds": "5"},
}


def _value(expression: Any, parameters: dict[str, Any]) -> Any:
    """What CloudFormation makes of a rule's functions; all values are texts to it."""
    match expression:
        case {"Ref": name}:
            value = parameters[name]
            return value if isinstance(value, list) else str(value)
        case {"Fn::Equals": [one, other]}:
            return _value(one, parameters) == _value(other, parameters)
        case {"Fn::Contains": [values, one]}:
            return _value(one, parameters) in _value(values, parameters)
        case {"Fn::Not": [condition]}:
            return not _value(condition, parameters)
        case str():
            return expression
    raise AssertionError(f"not known here: {expression}")


def _broken(given: dict[str, str]) -> list[str]:
    """The rules that refuse these parameters."""
    template = yaml_parse(TEMPLATE.read_text("utf-8"))
    parameters: dict[str, Any] = dict(parameter_values(template, given))
    for name, about in template["Parameters"].items():
        if about["Type"] == "CommaDelimitedList" and isinstance(parameters[name], str):
            parameters[name] = parameters[name].split(",")
    return [
        name
        for name, rule in template["Rules"].items()
        if _value(rule["RuleCondition"], parameters)
        and not all(_value(each["Assert"], parameters) for each in rule["Assertions"])
    ]


def test_every_rule_is_tried() -> None:
    assert set(yaml_parse(TEMPLATE.read_text("utf-8"))["Rules"]) == set(REFUSED)


@pytest.mark.parametrize("rule", REFUSED)
def test_what_does_not_go_together_is_refused(rule: str) -> None:
    assert _broken(REFUSED[rule]) == [rule]


@pytest.mark.parametrize("name", TAKEN)
def test_what_goes_together_is_taken(name: str) -> None:
    assert _broken(TAKEN[name]) == []
