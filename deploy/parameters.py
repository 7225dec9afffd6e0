"""The parameters of an environment: read from samconfig.toml, checked before anything is built.

CloudFormation checks patterns, too, but after a build and an upload, and no pattern reads a ladder.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from ladder import Ladder

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIGURATION = REPOSITORY / "samconfig.toml"
TEMPLATE = REPOSITORY / "template.yaml"


class UnknownEnvironment(Exception):
    """samconfig.toml has no such section."""


def environment(name: str, configuration: Path = CONFIGURATION) -> tuple[str, dict[str, str]]:
    """The stack's name and its parameters; `UnknownEnvironment` names those that there are."""
    sections = tomllib.loads(configuration.read_text("utf-8"))
    known = sorted(each for each in sections if isinstance(sections[each], dict))
    if name not in known:
        raise UnknownEnvironment(f"{configuration.name} has no [{name}.…], but {', '.join(known)}")
    values = sections[name]["global"]["parameters"]
    # `sam deploy --guided` writes its answers where `sam build` does not read them.
    elsewhere = [
        command
        for command, about in sections[name].items()
        if command != "global" and "parameter_overrides" in about.get("parameters", {})
    ]
    if elsewhere:
        raise UnknownEnvironment(
            f"{configuration.name} has parameter_overrides under [{name}.{elsewhere[0]}…]: put "
            f"them under [{name}.global.parameters.parameter_overrides], for both to read"
        )
    given = values.get("parameter_overrides", {})
    return values["stack_name"], {key: str(value) for key, value in given.items()}


def complaints(given: Mapping[str, str], template: Path = TEMPLATE) -> list[str]:
    """What is wrong with these parameters, a sentence each; empty when all is well."""
    document: dict[str, Any] = yaml_parse(template.read_text("utf-8"))
    known: dict[str, Any] = document["Parameters"]
    wrong = [f"{name}: template.yaml has no such parameter" for name in given.keys() - known.keys()]
    for name in sorted(given.keys() & known.keys()):
        about, value = known[name], given[name]
        allowed = [str(each) for each in about.get("AllowedValues", [])]
        if allowed and value not in allowed:
            wrong.append(f"{name}: must be one of {', '.join(allowed)}")
        # CloudFormation looks at each member of a list.
        members = value.split(",") if about["Type"] == "CommaDelimitedList" else [value]
        pattern = about.get("AllowedPattern", ".*")
        if not all(re.fullmatch(pattern, member.strip(), re.DOTALL) for member in members):
            wrong.append(f"{name}: {about['ConstraintDescription']}")
        if len(value.encode()) > about.get("MaxLength", 4096):
            wrong.append(f"{name}: may have {about.get('MaxLength', 4096)} bytes at most")
    values = {name: _value(about, given.get(name)) for name, about in known.items()}
    for rule in document.get("Rules", {}).values():
        if _is_true(rule["RuleCondition"], values):
            wrong += [
                each["AssertDescription"]
                for each in rule["Assertions"]
                if not _is_true(each["Assert"], values)
            ]
    return wrong + _about_the_ladder(given.get("ModelLadder"))


def _value(about: Mapping[str, Any], given: str | None) -> str | list[str]:
    value = str(about.get("Default", "")) if given is None else given
    is_list = about["Type"] == "CommaDelimitedList"
    return [each.strip() for each in value.split(",")] if is_list else value


def _is_true(said: Any, values: Mapping[str, str | list[str]]) -> bool:
    """What a rule of the template says, as far as rules say it there."""
    match said:
        case {"Fn::Not": [inner]}:
            return not _is_true(inner, values)
        case {"Fn::Equals": [{"Ref": name}, text]}:
            return bool(values[name] == text)
        case {"Fn::Contains": [{"Ref": name}, text]}:
            return text in values[name]
    raise NotImplementedError(said)


def _about_the_ladder(ladder: str | None) -> list[str]:
    if ladder is None:
        return []
    try:
        Ladder.parse(ladder)
    except ValueError as error:
        return [f"ModelLadder: {error}"]
    return []


def deploy_id(given: Mapping[str, str]) -> str:
    """Another one for other parameters, and the same for the same."""
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:16]


def overrides(given: Mapping[str, str]) -> list[str]:
    """What follows `--parameter-overrides`, as SAM's parser takes it."""
    return ['{}="{}"'.format(name, value.replace('"', '\\"')) for name, value in given.items()]
