"""cfn-lint on the templates as SAM translates them: `python -m tests.lint_template`.

`sam validate --lint` looks at the template before its translation, and lets a broken reference in
an event, an undefined one in a variable and a misspelt runtime pass. No network, no credentials.
"""

import sys
from pathlib import Path
from typing import Any

import boto3
import cfnlint.api
import yaml
from cfnlint.config import ManualArgs
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from local.emulator.sam import parameter_values

TEMPLATE = Path(__file__).parent.parent / "template.yaml"
MONITORING = TEMPLATE.with_name("monitoring.yaml")  # nested in it
REGION = "us-east-1"

# With a user pool of the template's own, with an issuer given, with web apps elsewhere, and with
# all that a team may turn on.
PARAMETER_SETS: dict[str, dict[str, str]] = {
    "own pool": {},
    "given issuer": {"JwtIssuer": "https://issuer.example", "JwtAudience": "app"},
    "given origins": {"AllowedOrigins": "https://app.example, http://localhost:5173"},
    "a team's": {
        "AlarmEmail": "ops@example.com",
        "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/c",
        "DeletionProtection": "ACTIVE",
        "DomainName": "api.example.com",
        "GradualShift": "Canary10Percent10Minutes",
        "NotifyFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:notify",
        "PushAccessLogs": "on",
        "StatusCacheSecurityGroupIds": "sg-0123456789abcdef0",
        "StatusCacheSubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
        "StatusCacheUrl": "rediss://name.cache.amazonaws.com:6379",
        "StatusCacheWorkers": "true",
        "WebhookUrl": "https://api.example.com/jobs",
    },
}

# What `sam package` would put in the place of a folder, and of a nested template.
_UPLOADED = "s3://the-artifacts/of-a-build"
_NESTED = "https://s3.us-east-1.amazonaws.com/the-artifacts/nested"


def translated(text: str, parameters: dict[str, str] | None = None) -> dict[str, Any]:
    """The CloudFormation that AWS would make of the SAM template."""
    document = yaml_parse(text)
    for resource in document["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = _UPLOADED
        if "TemplateURL" in resource.get("Properties", {}):
            resource["Properties"]["TemplateURL"] = _NESTED
    session = boto3.Session(region_name=REGION)
    translator = Translator({}, Parser(), boto_session=session)
    template: dict[str, Any] = translator.translate(
        document, parameter_values(document, parameters or {})
    )
    translator.metrics.publish()  # to nobody; it complains otherwise
    return template


def findings(text: str, parameters: dict[str, str] | None = None) -> list[str]:
    """The complaints of SAM's translation and of cfn-lint; empty when all is well."""
    try:
        template = translated(text, parameters)
    except InvalidDocumentException as error:
        return [str(cause) for cause in error.causes]
    matches = cfnlint.api.lint(
        yaml.safe_dump(plain(template), sort_keys=False),
        config=ManualArgs(regions=[REGION]),
    )
    return [
        f"{match.rule.id}: {match.message} ({_place(match)})"
        for match in matches
        if not _is_used_up(match, text)
    ]


def _is_used_up(match: Any, text: str) -> bool:
    """A parameter, or a mapping, that SAM itself has read: no trace is left of it for cfn-lint."""
    use = {"W2001": "!Ref {}", "W7001": "!FindInMap [{},"}.get(match.rule.id, "")
    return use.format(match.path[-1]) in text if use else False


def _place(match: Any) -> str:
    return "/".join(str(part) for part in getattr(match, "path", None) or [])


def plain(node: Any) -> Any:
    """Without the translator's own kinds of dict and str."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [plain(value) for value in node]
    return str(node) if isinstance(node, str) else node


def main() -> int:
    found = 0
    for name, parameters in PARAMETER_SETS.items():
        for finding in findings(TEMPLATE.read_text(), parameters):
            found += 1
            print(f"template.yaml, {name}: {finding}")  # noqa: T201
    for finding in findings(MONITORING.read_text()):
        found += 1
        print(f"monitoring.yaml: {finding}")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
