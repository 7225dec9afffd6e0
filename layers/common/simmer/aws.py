"""How Simmer's AWS clients behave."""

import logging

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# A handler that waits costs money and patience: fail soon, and let the caller's retry do the rest.
CLIENT_CONFIG = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "total_max_attempts": 3},
)

# For what is nice to know: without it the caller goes on.
IMPATIENT_CONFIG = Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1})

# At DEBUG, which an operator may well turn on for a function, it logs keys and every job.
logging.getLogger("botocore").setLevel(logging.INFO)

# What a call raises when the service refused it, was out of reach, or its answer got lost: in the
# last case the call may well have taken effect.
AWS_ERRORS = (ClientError, BotoCoreError)
