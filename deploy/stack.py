"""`make build`, `make deploy` and `make destroy`: SAM, with one set of parameters.

python -m deploy.stack deploy --env prod
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy import artifacts
from deploy.parameters import (
    REPOSITORY,
    UnknownEnvironment,
    complaints,
    deploy_id,
    environment,
    overrides,
)

BUILD = REPOSITORY / ".aws-sam" / "build"
DEFAULT_ARCHITECTURE = "arm64"  # the template's


class Stopped(Exception):
    """It cannot go on; the message says why."""


def main() -> int:
    options = _options()
    try:
        stack_name, parameters = environment(options.env)
        if options.what == "destroy":
            destroy(options.env, stack_name, with_data=options.with_data, ask=not options.yes)
            return 0
        build(options.env, parameters)
        if options.what == "deploy":
            deploy(options.env, stack_name, parameters, ask=not options.yes)
    except (Stopped, UnknownEnvironment, BotoCoreError, ClientError) as error:
        print(f"make {options.what}: {error}", file=sys.stderr)
        return 1
    return 0


def build(env: str, parameters: dict[str, str]) -> None:
    """Build for these parameters, with byte-code, or `Stopped` with what is wrong."""
    if wrong := complaints(parameters):
        raise Stopped("\n  ".join(["samconfig.toml:", *wrong]))
    _sam("build", "--config-env", env, "--parameter-overrides", *overrides(parameters))
    count = artifacts.finish(BUILD)
    print(f"compiled {count} files")
    if wrong := artifacts.faults(BUILD, parameters.get("Architecture", DEFAULT_ARCHITECTURE)):
        raise Stopped("\n  ".join([f"{BUILD}:", *wrong]))


def deploy(env: str, stack_name: str, parameters: dict[str, str], *, ask: bool) -> None:
    """Deploy what was built, and say what the stack's outputs are."""
    given = {**parameters, "DeployId": deploy_id(parameters)}
    confirm = [] if ask else ["--no-confirm-changeset"]
    _sam("deploy", "--config-env", env, *confirm, "--parameter-overrides", *overrides(given))
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    for output in stack.get("Outputs", []):
        print(f"{output['OutputKey']:24}{output['OutputValue']}")


def destroy(env: str, stack_name: str, *, with_data: bool, ask: bool) -> None:
    """Take the stack away; the table (with the ledger) and the users only if that is said."""
    cloudformation = boto3.client("cloudformation")
    kept = retained(cloudformation, stack_name)
    if ask and input(f"Type {stack_name} to destroy it: ") != stack_name:
        raise Stopped("nothing was done")
    _sam("delete", "--config-env", env, "--stack-name", stack_name, "--no-prompts")
    for kind, name in kept.items():
        if with_data:
            remove(boto3, kind, name)
        print(f"{'removed' if with_data else 'kept'} {kind} {name}")


def retained(cloudformation: Any, stack_name: str) -> dict[str, str]:
    """What outlives the stack, by type: the table and, if it is the template's own, the pool."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    return {
        each["ResourceType"]: each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] in ("AWS::DynamoDB::Table", "AWS::Cognito::UserPool")
    }


def remove(aws: Any, kind: str, name: str) -> None:
    """Delete a retained table or pool, protected or not. `aws` makes clients, as boto3 does."""
    if kind == "AWS::DynamoDB::Table":
        dynamodb = aws.client("dynamodb")
        if dynamodb.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled"):
            dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
            dynamodb.get_waiter("table_exists").wait(TableName=name)
        dynamodb.delete_table(TableName=name)
        return
    cognito = aws.client("cognito-idp")
    cognito.update_user_pool(UserPoolId=name, DeletionProtection="INACTIVE")
    cognito.delete_user_pool(UserPoolId=name)


def _sam(*arguments: str) -> None:
    sam = Path(sys.executable).with_name("sam")
    # SAM looks for python3.13 on PATH; the environment's own is one.
    path = os.pathsep.join([str(sam.parent), os.environ["PATH"]])
    command = [str(sam), *arguments]
    ended = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0"}
    )
    if ended.returncode:
        raise Stopped(f"sam {arguments[0]} failed")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make", description=__doc__)
    parser.add_argument("what", choices=["build", "deploy", "destroy"])
    parser.add_argument("--env", default="dev", help="a section of samconfig.toml")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--with-data", action="store_true", help="destroy table and users, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
