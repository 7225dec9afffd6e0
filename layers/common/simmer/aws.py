"""How Simmer's AWS clients behave: `job_store` and `job_queue` use them, nothing else does."""

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# A handler that waits costs money and patience: fail soon, and let the caller's retry do the rest.
CLIENT_CONFIG = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "total_max_attempts": 3},
)

# What a call raises when the service refused it, was out of reach, or its answer got lost: in the
# last case the call may well have taken effect.
AWS_ERRORS = (ClientError, BotoCoreError)
