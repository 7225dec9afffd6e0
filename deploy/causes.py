"""What is wrong, in a sentence for whoever deploys: from what a client sees of it."""

import base64
import json
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import Any

QUOTA = "DailyJobQuota is used up for this user today: raise it, or wait"
THROTTLED = (
    "429: throttled by the gateway: raise SubmitsPerSecond or ApiRequestsPerSecond, unless "
    "somebody has set the stage's throttle to 0"
)
NO_ROUTES = (
    "404: the API has no routes. API Gateway drops them all when it cannot read the issuer's "
    "/.well-known/openid-configuration, or URL is not the API's address"
)
UNMAPPED = (
    "403: nothing is behind this name: a custom domain needs its ApiMapping, or something before "
    "the API (a firewall, a CDN) refuses"
)


def unreached(error: BaseException | None) -> str:
    """What is wrong before any answer: a name, or a certificate; empty for anything else."""
    while error is not None:
        if isinstance(error, socket.gaierror):
            return "this name is not known: a custom domain needs a DNS record to DomainTarget"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is refused, and CertificateArn must be for DomainName: {error}"
        error = error.__cause__ or error.__context__
    return ""


def now_of(date: str) -> float:
    """The time by the server's clock, of an answer's `Date`; by ours if it has none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return time.time()


def not_now(claims: dict[str, Any], now: float) -> str:
    """Why a token with these claims is good at another time only; empty when it is good now."""
    if not claims:
        return "it is no JWT"
    if claims.get("exp", now) < now:
        return f"it expired {now - claims['exp']:.0f} s ago: get another"
    if (since := max(claims.get("nbf", 0), claims.get("iat", 0))) > now:
        return f"it is good in {since - now:.0f} s only: the clock of its issuer is ahead"
    return ""


def why_failed(document: dict[str, Any]) -> str:
    reasons = {
        "model_unavailable": (
            "no model of the ladder answered: the key is missing, wrong or expired, ModelLadder "
            "names a model or an address that is not there, or the provider is down; the worker's "
            'lines "model call" say which'
        ),
        "budget_exceeded": "DailyBudgetUsd is spent for today",
        "invalid_output": "the models answered, but never what the task allows",
        "deadline_exceeded": "it was not done by JobDeadlineSeconds",
    }
    code = str(document.get("errorCode"))
    return f"{document['status']}, {code}: {reasons.get(code, document.get('error', ''))}"


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT says; nothing if it is none."""
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def object_of(text: str) -> dict[str, Any]:
    """The JSON object that an answer is; nothing if it is none."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
