"""Reads a SAM template, and turns it into the plain CloudFormation that the emulator can deploy.

The translation is AWS's own (aws-sam-translator). Some things are then said in other words,
since the emulator takes them otherwise than CloudFormation:

- an HTTP API's routes, which SAM leaves in an OpenAPI `Body`, are written out as the resources
  that API Gateway would make of it;
- a number that comes from a parameter reaches it as text, which it cannot compare;
- `Ref` of a secret is the secret's name instead of its ARN;
- a condition cannot join a list; there, a parameter that is one is still the text given for it;
- the address of an API, as functions are told it, is a name that only AWS resolves;
- a WebSocket API without `$connect` or `$disconnect` hands these to its `$default` route, which
  on AWS gets messages only;
- it has no CodeDeploy: there, an alias moves to a new version at once;
- it knows no alarm on a formula: there, such an alarm is left out;
- it draws a secret with punctuation, unless each of these characters is excluded;
- a webhook may lead to this machine, by http, which no parameter of the template can allow.
"""

import copy
import logging
import os
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

type Template = dict[str, Any]

_CODE_PROPERTY = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
}
_NESTED_PROPERTY = {
    "AWS::Serverless::Application": "Location",
    "AWS::CloudFormation::Stack": "TemplateURL",
}
_SECRET = "AWS::SecretsManager::Secret"
_NUMBERS = {
    *("MaximumConcurrency", "MemorySize"),
    *("ThrottlingBurstLimit", "ThrottlingRateLimit"),
}
_API_ADDRESS = re.compile(
    r"(?P<scheme>https|wss)://\$\{(?P<api>\w+)\}\.execute-api"
    r"\.\$\{AWS::Region\}\.\$\{AWS::URLSuffix\}"
)
_NO_MANAGED_POLICIES = SimpleNamespace(load=dict)

# The translator warns, at exit, of usage metrics that nobody asked it to publish.
logging.getLogger("samtranslator").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Code:
    """A folder of code in a template: what one function, or one layer, is built from."""

    logical_id: str
    folder: Path
    is_layer: bool


def read(path: Path) -> Template:
    """A template as a dict, with `!Ref` and its like in their long form."""
    from samtranslator.yaml_helper import yaml_parse

    template: Template = yaml_parse(path.read_text("utf-8"))
    return template


def code_folders(template: Template, root: Path) -> list[Code]:
    """Every local code folder named in the template, relative to `root`."""
    global_uri = template.get("Globals", {}).get("Function", {}).get("CodeUri")
    found = []
    for logical_id, kind, properties in _resources(template):
        if kind in _CODE_PROPERTY:
            default = global_uri if kind == "AWS::Serverless::Function" else None
            uri = properties.get(_CODE_PROPERTY[kind], default)
            if isinstance(uri, str) and not uri.startswith("s3://"):
                is_layer = kind == "AWS::Serverless::LayerVersion"
                found.append(Code(logical_id, root / uri, is_layer))
    return found


def nested_templates(template: Template, root: Path) -> dict[str, Path]:
    """The local template file of every nested stack, by logical id."""
    return {
        logical_id: root / properties[_NESTED_PROPERTY[kind]]
        for logical_id, kind, properties in _resources(template)
        if kind in _NESTED_PROPERTY
        and isinstance(properties.get(_NESTED_PROPERTY[kind]), str)
        and "://" not in properties[_NESTED_PROPERTY[kind]]
    }


def with_locations(template: Template, locations: dict[str, str]) -> Template:
    """A copy in which each named resource's code, or nested template, is at that URL."""
    located = copy.deepcopy(template)
    for logical_id, kind, properties in _resources(located):
        if logical_id in locations:
            properties[(_CODE_PROPERTY | _NESTED_PROPERTY)[kind]] = locations[logical_id]
    return located


def parameter_values(template: Template, given: Mapping[str, str]) -> dict[str, Any]:
    """The parameters as CloudFormation hands them to SAM, which writes some of them out: those
    given and the others' defaults, a list as a list."""
    values: dict[str, Any] = {}
    for name, parameter in template.get("Parameters", {}).items():
        value = given.get(name, parameter.get("Default"))
        if value is None:
            continue
        is_list = parameter["Type"] == "CommaDelimitedList"
        values[name] = [member.strip() for member in value.split(",")] if is_list else value
    return values


def expand(
    template: Template, region: str, parameters: Mapping[str, str], endpoint: str
) -> Template:
    """Translate SAM to CloudFormation for the emulator at `endpoint`, for a stack with these
    parameters.

    Raises samtranslator's InvalidDocumentException, which names each fault, for a template
    that SAM would refuse.
    """
    from samtranslator.translator.transform import transform

    # The translator asks boto3 for the region, that is, the environment.
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = region
    try:
        expanded: Template = transform(
            copy.deepcopy(template), parameter_values(template, parameters), _NO_MANAGED_POLICIES
        )
    finally:
        if before is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = before

    expanded["Conditions"] = _unjoined(expanded.get("Conditions", {}))
    resources: Template = expanded["Resources"]
    for logical_id, kind, properties in list(_resources(expanded)):
        if kind == "AWS::ApiGatewayV2::Api" and "Body" in properties:
            body = properties.pop("Body")
            if cors := body.get("x-amazon-apigateway-cors"):
                # The emulator stores it as it comes and reads camelCase, the body's spelling.
                properties["CorsConfiguration"] = cors
            resources.update(_http_api_resources(logical_id, body))
        resources[logical_id]["Properties"] = properties = _numbered(
            properties, template, parameters
        )
        if kind == "AWS::Lambda::Function" and "Environment" in properties:
            properties["Environment"] = _resolvable(properties["Environment"], endpoint)
        if properties.get("GenerateSecretString", {}).get("ExcludePunctuation"):
            properties["GenerateSecretString"]["ExcludeCharacters"] = string.punctuation
        if kind == "AWS::ApiGatewayV2::Api" and properties.get("ProtocolType") == "WEBSOCKET":
            resources.update(_silent_routes(logical_id, resources))
    _drop_what_it_lacks(resources)
    _let_the_webhook_lead_here(expanded)
    secrets = {name for name, kind, _ in _resources(expanded) if kind == _SECRET}
    referring: Template = _refer_by_arn(expanded, secrets)
    return referring


def _resolvable(value: Any, endpoint: str) -> Any:
    """`https://${Api}.execute-api.….com/stage` as the path under which the emulator has it."""
    match value:
        case {"Fn::Sub": str(text)} if found := _API_ADDRESS.match(text):
            scheme = {"https": "http", "wss": "ws"}[found["scheme"]]
            host = endpoint.partition("://")[2]
            path = f"/_aws/execute-api/${{{found['api']}}}"
            return {"Fn::Sub": f"{scheme}://{host}{path}{text[found.end() :]}"}
        case dict():
            return {key: _resolvable(child, endpoint) for key, child in value.items()}
    return value


def _unjoined(value: Any) -> Any:
    """`Join` of a list parameter, with nothing between, as the parameter."""
    match value:
        case {"Fn::Join": ["", {"Ref": str()} as parameter]}:
            return parameter
        case dict():
            return {key: _unjoined(child) for key, child in value.items()}
        case list():
            return [_unjoined(child) for child in value]
    return value


def _drop_what_it_lacks(resources: Template) -> None:
    """CodeDeploy, with the policies that send updates through it, and alarms on formulas."""
    for logical_id, resource in list(resources.items()):
        is_formula = (
            resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
        )
        if is_formula or resource["Type"].startswith("AWS::CodeDeploy::"):
            del resources[logical_id]
        resource.pop("UpdatePolicy", None)


def _let_the_webhook_lead_here(template: Template) -> None:
    if parameter := template.get("Parameters", {}).get("WebhookUrl"):
        parameter.pop("AllowedPattern", None)
    for _, kind, properties in _resources(template):
        variables = properties.get("Environment", {}).get("Variables", {})
        if kind == "AWS::Lambda::Function" and "WEBHOOK_URL" in variables:
            variables["WEBHOOK_LOOPBACK"] = "true"


def _silent_routes(api: str, resources: Template) -> Template:
    """What AWS does when there is no such route: let everybody in, and tell nobody who left."""
    routes = [
        each["Properties"]["RouteKey"]
        for each in resources.values()
        if each["Type"] == "AWS::ApiGatewayV2::Route"
        and each["Properties"]["ApiId"] == {"Ref": api}
    ]
    integration = _logical_id(api, "Silent", "Integration")
    made: Template = {
        integration: {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {"ApiId": {"Ref": api}, "IntegrationType": "MOCK"},
        }
    }
    for key in {"$connect", "$disconnect"}.difference(routes):
        made[_logical_id(api, key, "Route")] = {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": api},
                "RouteKey": key,
                "Target": {"Fn::Sub": f"integrations/${{{integration}}}"},
            },
        }
    return made


def _refer_by_arn(value: Any, logical_ids: set[str]) -> Any:
    match value:
        case {"Ref": str(name)} if name in logical_ids:
            return {"Fn::GetAtt": [name, "Id"]}
        case dict():
            return {key: _refer_by_arn(child, logical_ids) for key, child in value.items()}
        case list():
            return [_refer_by_arn(child, logical_ids) for child in value]
    return value


def _numbered(value: Any, template: Template, parameters: Mapping[str, str], name: str = "") -> Any:
    """The same with the numbers that are parameters as numbers."""
    match value:
        case {"Ref": str(parameter)} if name in _NUMBERS:
            given = parameters.get(parameter, template["Parameters"][parameter].get("Default"))
            return int(given)
        case dict():
            return {
                key: _numbered(child, template, parameters, key) for key, child in value.items()
            }
        case list():
            return [_numbered(child, template, parameters, name) for child in value]
    return value


def _resources(template: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for logical_id, resource in template.get("Resources", {}).items():
        yield logical_id, resource["Type"], resource.setdefault("Properties", {})


def _http_api_resources(api: str, body: Template) -> Template:
    """What API Gateway makes of an HTTP API's OpenAPI body, as CloudFormation resources."""
    made: Template = {}
    for name, scheme in body.get("components", {}).get("securitySchemes", {}).items():
        authorizer = scheme["x-amazon-apigateway-authorizer"]
        made[_logical_id(api, name, "Authorizer")] = {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": {"Ref": api},
                "Name": name,
                "AuthorizerType": "JWT",
                "IdentitySource": [authorizer["identitySource"]],
                "JwtConfiguration": {
                    "Issuer": authorizer["jwtConfiguration"]["issuer"],
                    "Audience": authorizer["jwtConfiguration"]["audience"],
                },
            },
        }
    for path, item in body.get("paths", {}).items():
        for method, operation in _unconditional(item)[0].items():
            made.update(_route_resources(api, path, method, operation))
    return made


def _route_resources(api: str, path: str, method: str, operation: Template) -> Template:
    operation, condition = _unconditional(operation)
    conditional = {"Condition": condition} if condition else {}
    integration = operation["x-amazon-apigateway-integration"]
    integration_id = _logical_id(api, method, path, "Integration")
    route: Template = {
        "ApiId": {"Ref": api},
        "RouteKey": "$default" if path == "/$default" else f"{_http_method(method)} {path}",
        "Target": {"Fn::Sub": f"integrations/${{{integration_id}}}"},
    }
    # SAM writes the way out of the default authorizer as a scheme of its own, NONE.
    for name in (name for need in operation.get("security", []) for name in need if name != "NONE"):
        route["AuthorizationType"] = "JWT"
        route["AuthorizerId"] = {"Ref": _logical_id(api, name, "Authorizer")}
    return {
        integration_id: {
            "Type": "AWS::ApiGatewayV2::Integration",
            **conditional,
            "Properties": {
                "ApiId": {"Ref": api},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": _unconditional(integration["uri"])[0],
                "PayloadFormatVersion": integration["payloadFormatVersion"],
            },
        },
        _logical_id(api, method, path, "Route"): {
            "Type": "AWS::ApiGatewayV2::Route",
            **conditional,
            "Properties": route,
        },
    }


def _unconditional(value: Template) -> tuple[Template, str | None]:
    """SAM wraps what belongs to a conditional function in `If <condition>, it, NoValue`."""
    if isinstance(value, dict) and set(value) == {"Fn::If"}:
        condition, then, _ = value["Fn::If"]
        return then, condition
    return value, None


def _http_method(method: str) -> str:
    return "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()


def _logical_id(*parts: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", " ".join(parts[1:]))
    return parts[0] + "".join(word[0].upper() + word[1:] for word in words)
