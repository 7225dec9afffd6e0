"""One deployed stack, and what its users and operators would do with it."""

import base64
import json
import os
import signal
import threading
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.emulator.stack import Emulator

_PASSWORD = "Emulator-0nly"  # of every local user
_DEPLOYED_WITHIN_SECONDS = 120
_TOKEN_REFRESH_SECONDS = 300


class Deployment:
    """One stack, and what its users and operators would do with it."""

    def __init__(self, emulator: "Emulator", stack_name: str) -> None:
        self.emulator = emulator
        self.stack_name = stack_name
        self._tokens: dict[str, tuple[str, float]] = {}
        self._tokens_lock = threading.Lock()

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs, by name."""
        cloudformation = self.emulator.client("cloudformation")
        (stack,) = cloudformation.describe_stacks(StackName=self.stack_name)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}

    @cached_property
    def resources(self) -> dict[str, tuple[str, str]]:
        """The (type, physical id) of each of the stack's resources, by logical id."""
        cloudformation = self.emulator.client("cloudformation")
        pages = cloudformation.get_paginator("list_stack_resources").paginate(
            StackName=self.stack_name
        )
        return {
            each["LogicalResourceId"]: (each["ResourceType"], each["PhysicalResourceId"])
            for page in pages
            for each in page["StackResourceSummaries"]
        }

    def physical_id(self, logical_id: str) -> str:
        """The name or id of a resource in the emulator."""
        return self.resources[logical_id][1]

    @cached_property
    def api_id(self) -> str:
        """The id of the stack's HTTP API."""
        apis = self.emulator.client("apigatewayv2").get_apis()["Items"]
        http_apis = {api["ApiId"] for api in apis if api["ProtocolType"] == "HTTP"}
        (api_id,) = (each for _, each in self.resources.values() if each in http_apis)
        return api_id

    @property
    def api_url(self) -> str:
        """Where the HTTP API answers here, without a slash at the end (the output `ApiUrl`
        is a name that only AWS resolves)."""
        return f"{self.emulator.endpoint}/_aws/execute-api/{self.api_id}/$default"

    def token(self, user: str) -> str:
        """A signed access token of that user, who is signed up on first use.

        The API's authorizer checks it like any other. It is kept and, near its end, renewed.
        """
        with self._tokens_lock:
            token, expires_at = self._tokens.get(user, ("", 0.0))
            if time.time() > expires_at - _TOKEN_REFRESH_SECONDS:
                token, expires_at = self._sign_in(user)
                self._tokens[user] = token, expires_at
            return token

    def subject(self, user: str) -> str | None:
        """The `sub` in that user's tokens, the owner of the user's jobs; None without a token."""
        token, _ = self._tokens.get(user, ("", 0.0))
        if not token:
            return None
        payload = token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(payload + "=="))["sub"])

    def _sign_in(self, user: str) -> tuple[str, float]:
        cognito = self.emulator.client("cognito-idp")
        pool = {"UserPoolId": self.outputs["UserPoolId"], "Username": user}
        try:
            cognito.admin_create_user(**pool, MessageAction="SUPPRESS")
        except cognito.exceptions.UsernameExistsException:
            pass  # signed up before; the token has come near its end
        else:
            cognito.admin_set_user_password(**pool, Password=_PASSWORD, Permanent=True)
        granted = cognito.initiate_auth(
            ClientId=self.outputs["UserPoolClientId"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": user, "PASSWORD": _PASSWORD},
        )["AuthenticationResult"]
        return granted["AccessToken"], time.time() + granted["ExpiresIn"]

    def put_model_key(self, key: str) -> None:
        """Store the key for all model providers where the worker looks for it."""
        self.emulator.client("secretsmanager").put_secret_value(
            SecretId=self.outputs["ModelKeysSecretArn"],
            SecretString=json.dumps({"default": key}),
        )

    def webhook_secret(self) -> str:
        """What the webhook is signed with, when there is one."""
        secrets = self.emulator.client("secretsmanager")
        answer = secrets.get_secret_value(SecretId=self.outputs["WebhookSecretArn"])
        return str(answer["SecretString"])

    def functions(self) -> list[str]:
        """The logical ids of the stack's Lambda functions."""
        return [
            logical_id
            for logical_id, (kind, _) in self.resources.items()
            if kind == "AWS::Lambda::Function"
        ]

    def lambda_processes(self, function: str) -> list[int]:
        """The process ids of a function's execution environments, busy and idle ones."""
        marker = f"/ministack-lambda-{self.physical_id(function)}-"
        return [pid for pid, command in self.emulator.processes().items() if marker in command]

    def kill_lambda(self, function: str) -> int:
        """SIGKILL every process of a function, as a crash would; returns how many.

        An invocation under way ends with an error; the next one gets a new process.
        """
        processes = self.lambda_processes(function)
        for pid in processes:
            os.kill(pid, signal.SIGKILL)
        return len(processes)

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Call a function's published version, as everybody does, and return its answer;
        RuntimeError with its error."""
        answer = self.emulator.client("lambda").invoke(
            FunctionName=self.physical_id(function), Qualifier="live", Payload=json.dumps(event)
        )
        payload = answer["Payload"].read().decode()
        if "FunctionError" in answer:
            raise RuntimeError(f"{function}: {payload}")
        return json.loads(payload) if payload else None

    def replace_code(self, zips: Mapping[str, Path]) -> None:
        """Serve these zips, by logical id of a function or a layer, from the next invocation on;
        those under way end with the code that they began with."""
        client = self.emulator.client("lambda")
        changed = set()
        for name, path in zips.items():
            stored = self.emulator.store(path)
            if name in self.functions():  # SAM gives a layer an id of its own making
                client.update_function_code(FunctionName=self.physical_id(name), **stored)
                changed.add(self.physical_id(name))
                continue
            layer = client.publish_layer_version(LayerName=name, Content=stored)
            changed |= self._give_layer(name, layer["LayerVersionArn"])
        for function in changed:  # callers ask the alias, so they see nothing of it before
            version = client.publish_version(FunctionName=function)["Version"]
            client.update_alias(FunctionName=function, Name="live", FunctionVersion=version)

    def _give_layer(self, name: str, arn: str) -> set[str]:
        """Have every function that uses the layer use this version of it; which these are."""
        client = self.emulator.client("lambda")
        changed = set()
        for function in map(self.physical_id, self.functions()):
            used = client.get_function_configuration(FunctionName=function).get("Layers", [])
            layers = [arn if each["Arn"].split(":")[6] == name else each["Arn"] for each in used]
            if layers != [each["Arn"] for each in used]:
                client.update_function_configuration(FunctionName=function, Layers=layers)
                changed.add(function)
        return changed

    def delete(self) -> None:
        """Take the stack away, with all that is in it."""
        cloudformation = self.emulator.client("cloudformation")
        cloudformation.delete_stack(StackName=self.stack_name)
        wait_for(cloudformation, "stack_delete_complete", self.stack_name)


def wait_for(cloudformation: Any, waiter: str, stack_name: str) -> None:
    """Return once the stack is there, or gone; WaiterError if it does not get there."""
    delay_seconds = 0.1
    attempts = int(_DEPLOYED_WITHIN_SECONDS / delay_seconds)
    cloudformation.get_waiter(waiter).wait(
        StackName=stack_name,
        WaiterConfig={"Delay": delay_seconds, "MaxAttempts": attempts},
    )
