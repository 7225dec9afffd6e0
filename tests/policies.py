"""A second reader of the templates, checkov, with a reason for each rule it is not followed in.

    make policies

Reads what SAM makes of template.yaml. Ends with 1 for a finding without a reason here, and for a
reason without a finding. Not part of `make check`: it brings a hundred packages.
"""

import json
import subprocess
import sys

from local.toolchain import BUILD, uv
from tests.lint_template import MONITORING, PARAMETER_SETS, TEMPLATE, plain, translated

CHECKOV = "checkov==3.3.30"
_KEYS = (
    "encrypted by a key of AWS's own, which costs nothing; one of the account's would bill calls"
)

WAIVED = {
    "CKV_AWS_26": "no alarm can write to a topic under the key alias/aws/sns; it holds alarms only",
    "CKV_AWS_27": f"SqsManagedSseEnabled, which this rule does not know: {_KEYS}",
    "CKV_AWS_95": "PushAccessLogs turns the WebSocket's on, where the account has the role for it",
    "CKV_AWS_111 AWS::IAM::ManagedPolicy.NetworkPolicy": (
        "EC2 takes no resource in most of what Lambda needs; a function's own code is denied it all"
    ),
    "CKV_AWS_115": "100 executions must stay unreserved, which a new account has not",
    "CKV_AWS_116": "behind an API or an event source, which keep what fails; none is called async",
    "CKV_AWS_117": "only with a status cache: a NAT gateway costs $32 a month, and guards nothing",
    "CKV_AWS_119": _KEYS,
    "CKV_AWS_149": _KEYS,
    "CKV_AWS_158": f"{_KEYS}; prompts, answers and keys are in no log",
    "CKV_AWS_173": f"{_KEYS}; no variable holds a secret",
}


def main() -> int:
    folder = BUILD / "policies"
    folder.mkdir(parents=True, exist_ok=True)
    templates = {"monitoring": translated(MONITORING.read_text())} | {
        name.replace(" ", "-").replace("'", ""): translated(TEMPLATE.read_text(), parameters)
        for name, parameters in PARAMETER_SETS.items()
    }
    files = []
    for name, template in templates.items():
        files.append(folder / f"{name}.json")
        files[-1].write_text(json.dumps(plain(template), indent=1, default=str))
    command = [uv(), "tool", "run", "--quiet", "--from", CHECKOV, "checkov"]
    for file in files:
        command += ["--file", str(file)]
    read = subprocess.run(
        [
            *command,
            "--framework",
            "cloudformation",
            "--output",
            "json",
            "--soft-fail",
            "--skip-download",
        ],
        check=True,
        stdout=subprocess.PIPE,
    )
    results = json.loads(read.stdout)["results"]
    found = {(each["check_id"], each["resource"]): each for each in results["failed_checks"]}
    names = {key: {key[0], " ".join(key)} for key in found}  # a rule, or a rule at one resource
    unexplained = {key: each for key, each in found.items() if not names[key] & WAIVED.keys()}
    for (rule, resource), each in sorted(unexplained.items()):
        print(f"{rule} {resource}: {each['check_name']}")  # noqa: T201
    idle = sorted(WAIVED.keys() - set[str]().union(*names.values()))
    for rule in idle:
        print(f"{rule} is waived, and found nowhere")  # noqa: T201
    print(f"{len(found)} findings, {len(unexplained)} without a reason")  # noqa: T201
    return 1 if unexplained or idle else 0


if __name__ == "__main__":
    sys.exit(main())
