"""The deployed template on this machine: an AWS emulator as a child process, and what is in it.

    with Emulator() as emulator:
        deployment = emulator.deploy(TEMPLATE, {"DailyJobQuota": 5})
        deployment.put_model_key("any")
        token = deployment.token("alice")
        requests.get(deployment.api_url + "/poem/status/…", headers={"Authorization": …})

The template is deployed as it stands, with its own IAM policies and its own user pool; see
sam.py for what has to be said to the emulator in other words. Everything listens
on 127.0.0.1 and lives in memory; files are under `.build/`.
"""

import json
import os
import secrets
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from local.child import Child, free_port
from local.emulator import artifacts, sam
from local.emulator.deployment import Deployment, wait_for
from local.emulator.files import scratch, sweep
from local.toolchain import BUILD, EMULATOR_VENV, emulator_python

REGION = "us-east-1"

_MAIN = Path(__file__).with_name("ministack_main.py")
_ACCOUNT = "000000000000"
_BUCKET = "simmer-artifacts"
_HEALTHY_WITHIN_SECONDS = 30.0


class EmulatorError(RuntimeError):
    """The emulator did not start, or died."""


class DeploymentError(RuntimeError):
    """The stack was not created; the message has the reason of each failed resource."""


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
        # The account's root, and whoever knows it may do anything, so it is a new one each time.
        # Handlers get the credentials of their roles instead.
        self._root_key = f"ROOT{secrets.token_hex(16).upper()}"
        self._session: Any = _session(self._root_key)  # the stubs know only some services by name
        self._folder = scratch() / f"emulator-{os.getpid()}-{id(self):x}"
        if not EMULATOR_VENV.exists():
            report("installing the emulator")
        python = emulator_python()
        sweep(self._folder.parent)
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
    def credentials(self) -> dict[str, str]:
        """Those of the account's root, as variables of an environment."""
        return {"AWS_ACCESS_KEY_ID": self._root_key, "AWS_SECRET_ACCESS_KEY": self._root_key}

    @property
    def log(self) -> Path:
        """The emulator's output, with that of the functions."""
        return self.child.log

    @property
    def functions_log(self) -> Path:
        """What the functions log, a line as soon as it is written: JSON, mostly."""
        name = self._folder.name.replace("emulator-", "functions-")
        return BUILD / "logs" / f"{name}.log"

    @property
    def alive(self) -> bool:
        return self.child.exit_code is None

    def files(self) -> list[Path]:
        """What it has written, but for the code of the functions."""
        return [
            each
            for each in self._folder.rglob("*")
            if each.is_file() and each.suffix not in (".py", ".pyc", ".so", ".zip")
        ]

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
            wait_for(cloudformation, "stack_create_complete", stack_name)
        except (ClientError, WaiterError) as error:
            reasons = self._failures(stack_name) or [str(error)]
            raise DeploymentError(
                "\n".join([f"{stack_name} was not created:", *reasons])
            ) from error
        return Deployment(self, stack_name)

    def store(self, file: Path) -> dict[str, str]:
        """Put a file into S3; where it is then, as Lambda is told."""
        return {"S3Bucket": _BUCKET, "S3Key": self._upload(file.name, file.read_bytes())}

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
            **self.credentials,
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
        return Child(python, str(_MAIN), str(self.functions_log), environment=environment, log=log)

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


def _session(root_key: str) -> boto3.Session:
    """A session that reads no profile, no file and no variable of this machine's AWS set-up."""
    nowhere = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    return boto3.Session(
        aws_access_key_id=root_key,
        aws_secret_access_key=root_key,
        region_name=REGION,
        botocore_session=nowhere,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
