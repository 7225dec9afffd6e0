"""Push tokens: the right to hear of the end of one run. `submit` issues a token, `push` checks it.

A token names the job, the run, the user's mark and a time, and is signed with a key from Secrets
Manager. It gives no more than its owner has: a client with a 202 may read the result anyway. The
address that goes with it has a ticket, which names a time alone: it opens a connection, on which
nothing is told without a token, and so may stand in an address, where others may log it.
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from aws_lambda_powertools import Logger
from itsdangerous import BadData, URLSafeSerializer

from simmer import aws
from simmer.aws import AwsError
from simmer.errors import DependencyUnavailable, InvalidPushToken
from simmer.jobs.job import Job, mark_of
from simmer.settings import SubmitSettings

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# A changed key is in use after this time at the latest. Until then the new key's tokens are
# refused, and their clients poll.
KEY_MAX_AGE_MS = 5 * 60_000
# The pause after a failed read: not every submit should wait for a broken service.
KEY_RETRY_MS = 30_000

# A client that asks just after the deadline still gets the document that says so.
GRACE_MS = 60_000

# What a token and a ticket are signed for: neither can stand in for the other.
_TOKEN_SALT, _TICKET_SALT = "simmer.push", "simmer.push.ticket"
_SHARED_SALT = "simmer.shared"
# The ticket's parameter in the address.
TICKET = "ticket"

# A submit reads the key after its job was accepted: it waits less for the key than for the job.
_CONFIG = aws.Config(connect_timeout=1, read_timeout=1, attempts=2)

logger = Logger(service="simmer", child=True)


class PushTokens:
    """Issues tokens and checks them, with the key in `secret_id`."""

    def __init__(self, secrets: "SecretsManagerClient", secret_id: str) -> None:
        self._secrets = secrets
        self._secret_id = secret_id
        self._key: str | None = None
        self._look_again_at_ms = 0

    @classmethod
    def connect(cls, secret_id: str) -> Self:
        return cls(aws.client("secretsmanager", _CONFIG), secret_id)

    def issue(self, job: Job, user: str, now_ms: int) -> str:
        """A token for this run of the job, or `DependencyUnavailable` without a key."""
        run = f"{job.run_id} {mark_of(user)}"
        return self._signer(now_ms).dumps([job.job_id, run, job.deadline_at_ms + GRACE_MS])

    def address(self, url: str, job: Job, now_ms: int) -> str:
        """The `url` with a ticket for as long as this run's token is good, or
        `DependencyUnavailable` without a key."""
        ticket = self._signer(now_ms, _TICKET_SALT).dumps(job.deadline_at_ms + GRACE_MS)
        return f"{url}?{TICKET}={ticket}"

    def check_ticket(self, ticket: str, now_ms: int) -> None:
        """Nothing, or `InvalidPushToken`."""
        try:
            valid_until_ms = self._signer(now_ms, _TICKET_SALT).loads(ticket)
        except BadData:
            raise InvalidPushToken("Connect to the address in the 202, as it stands.") from None
        if now_ms >= valid_until_ms:
            raise InvalidPushToken("The address has expired.")

    def shared_audience(self, now_ms: int) -> str:
        """The secret in the ids of shared jobs, or `DependencyUnavailable` without a key. With the
        key it changes; then users share anew, and older jobs stay readable by their ids."""
        return f"everyone {self._signer(now_ms, _SHARED_SALT).dumps('')}"

    def run(self, token: str, job_id: str, now_ms: int) -> tuple[str, str]:
        """The run of this job that the token is for, and the mark of its user; or
        `InvalidPushToken`."""
        try:
            of_job_id, run, valid_until_ms = self._signer(now_ms).loads(token)
        except BadData:
            raise InvalidPushToken("This token was not issued here.") from None
        if of_job_id != job_id:
            raise InvalidPushToken("The token is for another job.")
        if now_ms >= valid_until_ms:
            raise InvalidPushToken("The token has expired.")
        run_id, _, mark = str(run).partition(" ")
        return run_id, mark

    def _signer(self, now_ms: int, salt: str = _TOKEN_SALT) -> URLSafeSerializer:
        if now_ms >= self._look_again_at_ms:
            self._look_again_at_ms = now_ms + self._read_key()
        if self._key is None:
            raise DependencyUnavailable("The push key cannot be read.")
        return URLSafeSerializer(
            self._key,
            salt=salt,
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def _read_key(self) -> int:
        """Read the key; returns the milliseconds until the next read. An older key stays in use."""
        try:
            self._key = self._secrets.get_secret_value(SecretId=self._secret_id)["SecretString"]
        except (AwsError, KeyError) as error:
            logger.warning("push key not read", extra={"cause": type(error).__name__})
            return KEY_RETRY_MS
        return KEY_MAX_AGE_MS


def push_offer(
    connect: Callable[[str], PushTokens], settings: SubmitSettings, job: Job, user: str, now_ms: int
) -> dict[str, str] | None:
    """The `push` of a 202 to this user: address and token. None when push is off or its key cannot
    be read: the job is accepted all the same, and the client polls."""
    if not settings.push_url:
        return None
    try:
        tokens = connect(settings.push_key_secret)
        address = tokens.address(settings.push_url, job, now_ms)
        return {"url": address, "token": tokens.issue(job, user, now_ms)}
    except DependencyUnavailable:
        return None
