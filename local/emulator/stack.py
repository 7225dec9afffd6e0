"""The deployed template on this machine: an AWS emulator as a child process, and what is in it.

    with Emulator() as emulator:
        deployment = emulator.deploy(TEMPLATE, {"DailyJobQuota": 5})
        deployment.put_model_key("any")
        token = deployment.token("alice")
        requests.get(deployment.api_url + "/recipe/status/…", headers={"Authorization": …})

The template is deployed as it stands, with its own IAM policies and its own user pool; see
sam.py for what has to be said to the emulator in other words. Everything listens
on 127.0.0.1 and lives in memory; files are under `.build/`.
"""

import json
import os
import shutil
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from local.child import Child, free_port
from local.emulator import artifacts, sam
from local.toolchain import BUILD, EMULATOR_VENV, emulator_python, keep_newest

REGION = "us-east-1"

# The account's root for the emulator; handlers get the credentials of their roles instead.
_ACCESS_KEY = "test"
_ACCOUNT = "000000000000"
_BUCKET = "simmer-artifacts"
_PASSWORD = "Emulator-0nly"  # of every local user
_HEALTHY_WITHIN_SECONDS = 30.0
_DEPLOYED_WITHIN_SECONDS = 120
_TOKEN_REFRESH_SECONDS = 300
_KEPT_LOGS = 40
_PLENTY_BYTES = 8 * 1024**3


class EmulatorError(RuntimeError):
    """The emulator did not start, or died."""


class DeploymentError(RuntimeError):
    """The stack was not created; the message has the reason of each failed resource."""


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

    def delete(self) -> None:
        """Take the stack away, with all that is in it."""
        cloudformation = self.emulator.client("cloudformation")
        cloudformation.delete_stack(StackName=self.stack_name)
        _wait(cloudformation, "stack_delete_complete", self.stack_name)


class Emulator:
    """AWS on 127.0.0.1, empty at first, until `stop()` or the end of this process.

    `lambda_concurrency` bounds the invocations at one time, over all functions; a call past
    it is answered 429. Each needs a process of about 50 MB, which stays for the next call.
    """

    def __init__(
        self,
        *,
        lambda_concurrency: int = 16,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._report = report
        self._lambda_concurrency = lambda_concurrency
        self._clients: dict[str, Any] = {}
        self._clients_lock = threading.Lock()
        self._session: Any = _session()  # the stubs know only some services by name
        self._folder = _scratch() / f"emulator-{os.getpid()}-{id(self):x}"
        if not EMULATOR_VENV.exists():
            report("installing the emulator")
        python = emulator_python()
        _sweep(self._folder.parent)
        self.port = free_port()
        self.child = self._start(python)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """The URL of every AWS service here."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """The emulator's output, with that of the functions."""
        return self.child.log

    @property
    def alive(self) -> bool:
        return self.child.exit_code is None

    def processes(self) -> dict[int, str]:
        """The command lines of the emulator and of all its Lambda processes, by process id."""
        return self.child.members()

    def client(self, service: str) -> Any:
        """A boto3 client of this emulator with all rights; made once, safe to share."""
        with self._clients_lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service,
                    endpoint_url=self.endpoint,
                    config=Config(
                        proxies={},
                        retries={"total_max_attempts": 1},
                        max_pool_connections=32,
                        s3={"addressing_style": "path"},
                    ),
                )
            return self._clients[service]

    def deploy(
        self,
        template: Path,
        parameters: Mapping[str, object] | None = None,
        *,
        stack_name: str = "simmer",
    ) -> Deployment:
        """Build, upload and create a stack from a SAM template file.

        `parameters` are the template's own; numbers and JSON are written out as text.
        Raises DeploymentError with the stack's reasons, ToolError if a build fails.
        """
        self.wait_until_healthy()
        self._s3.create_bucket(Bucket=_BUCKET)
        given = {key: _text(value) for key, value in (parameters or {}).items()}
        url = self._publish(template, given)
        cloudformation = self.client("cloudformation")
        self._report(f"creating the stack {stack_name}")
        try:
            cloudformation.create_stack(
                StackName=stack_name,
                TemplateURL=url,
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": text} for key, text in given.items()
                ],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            )
            _wait(cloudformation, "stack_create_complete", stack_name)
        except (ClientError, WaiterError) as error:
            reasons = self._failures(stack_name) or [str(error)]
            raise DeploymentError(
                "\n".join([f"{stack_name} was not created:", *reasons])
            ) from error
        return Deployment(self, stack_name)

    def wait_until_healthy(self) -> None:
        """Return once it answers; EmulatorError with the end of its log if it does not."""
        give_up = time.monotonic() + _HEALTHY_WITHIN_SECONDS
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while self.alive and time.monotonic() < give_up:
            try:
                with direct.open(f"{self.endpoint}/_ministack/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        why = "did not answer in time" if self.alive else "ended"
        raise EmulatorError(f"the emulator {why}:\n{self.child.log_tail()}")

    def stop(self) -> None:
        """Kill it and every Lambda process, wait for their end, and remove their files."""
        self.child.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):  # others' are still there
            self._folder.parent.rmdir()

    @property
    def _s3(self) -> Any:
        return self.client("s3")

    def _start(self, python: Path) -> Child:
        scratch = self._folder / "tmp"
        scratch.mkdir(parents=True)
        log = BUILD / "logs" / f"{self._folder.name}.log"
        environment = {
            # For `ps` and the like; nothing else of this machine's, above all no AWS_* and no
            # OPENAI_*: what the handlers know, they know from the template.
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": _ACCOUNT,
            "STATE_DIR": str(self._folder / "state"),
            "S3_DATA_DIR": str(self._folder / "s3"),
            "AUTH": "true",
            "LAMBDA_ACCOUNT_CONCURRENCY": str(self._lambda_concurrency),
            # It would open a port for devices, on all interfaces.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        } | {
            # A real model behind a company's own certificate authority.
            name: os.environ[name]
            for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
            if name in os.environ
        }
        return Child(python, "ministack", environment=environment, log=log)

    def _publish(self, path: Path, parameters: Mapping[str, str]) -> str:
        """Upload a template, translated, with all that it refers to; returns its URL."""
        template = sam.read(path)
        zips = artifacts.build(sam.code_folders(template, path.parent), self._report)
        locations = {
            logical_id: f"s3://{_BUCKET}/{self._upload(zipped.name, zipped.read_bytes())}"
            for logical_id, zipped in zips.items()
        }
        for logical_id, nested in sam.nested_templates(template, path.parent).items():
            locations[logical_id] = self._publish(nested, {})
        located = sam.with_locations(template, locations)
        expanded = sam.expand(located, REGION, parameters, self.endpoint)
        key = self._upload(f"{path.stem}.json", json.dumps(expanded, default=str).encode())
        return f"{self.endpoint}/{_BUCKET}/{key}"

    def _upload(self, key: str, content: bytes) -> str:
        self._s3.put_object(Bucket=_BUCKET, Key=key, Body=content)
        return key

    def _failures(self, stack_name: str) -> list[str]:
        try:
            events = self.client("cloudformation").describe_stack_events(StackName=stack_name)
        except ClientError:
            return []
        return [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
            for event in reversed(events["StackEvents"])
            if event["ResourceStatus"].endswith("_FAILED")
        ]


def _session() -> boto3.Session:
    """A session that reads no profile, no file and no variable of this machine's AWS set-up."""
    nowhere = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    return boto3.Session(
        aws_access_key_id=_ACCESS_KEY,
        aws_secret_access_key=_ACCESS_KEY,
        region_name=REGION,
        botocore_session=nowhere,
    )


def _wait(cloudformation: Any, waiter: str, stack_name: str) -> None:
    delay_seconds = 0.1
    attempts = int(_DEPLOYED_WITHIN_SECONDS / delay_seconds)
    cloudformation.get_waiter(waiter).wait(
        StackName=stack_name,
        WaiterConfig={"Delay": delay_seconds, "MaxAttempts": attempts},
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _scratch() -> Path:
    """Where emulators keep their files: in memory, where there is plenty. They unpack a function
    and its packages for each process, and to remove tens of thousands of files has taken a busy
    disk minutes."""
    memory = Path("/dev/shm")
    folder = memory / f"simmer-{os.getuid()}"
    with suppress(OSError):
        space = os.statvfs(memory)
        is_plenty = space.f_bavail * space.f_frsize > _PLENTY_BYTES
        if is_plenty and not space.f_flag & os.ST_NOEXEC:
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.lstat().st_uid == os.getuid():  # everybody may write there
                return folder
    return BUILD / "run"


def _sweep(folder: Path) -> None:
    """Remove old logs, and what killed runs have left: folders named after a process that is
    no more."""
    keep_newest(_KEPT_LOGS, (BUILD / "logs").glob("*.log"))
    for left in folder.glob("emulator-*"):
        try:
            os.kill(int(left.name.split("-")[1]), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except PermissionError:
            pass  # alive, and somebody else's
