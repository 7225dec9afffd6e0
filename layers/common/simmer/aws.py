"""The time-outs, the retries and the errors of Simmer's AWS clients."""

import logging

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# A handler that waits costs money and patience: fail soon, and let the caller's retry do the rest.
CLIENT_CONFIG = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "total_max_attempts": 3},
)

# For reads that the caller can do without.
IMPATIENT_CONFIG = Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1})

# At level DEBUG, which an operator may turn on for a function, botocore logs keys and every job.
logging.getLogger("botocore").setLevel(logging.INFO)

# The errors of a call that the service refused or never got, or whose answer was lost. In the last
# case the call may have taken effect.
AWS_ERRORS = (ClientError, BotoCoreError)
