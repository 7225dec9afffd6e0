"""`sam` whose local servers answer those alone that know the run's key: `python guarded_sam.py …`.

`sam local start-api` and `start-lambda` ask nobody who he is, and take a web page's request, too.
"""

import hmac
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

KEY_HEADER = "x-simmer-local-key"
KEY_VARIABLE = "SIMMER_LOCAL_KEY"

type Wsgi = Callable[..., Iterable[bytes]]


def guarded(serve: Wsgi, key: str) -> Wsgi:
    """The WSGI application, for whoever brings the key, which the functions do not see."""
    name = f"HTTP_{KEY_HEADER.upper().replace('-', '_')}"

    def check(app: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if not hmac.compare_digest(environ.pop(name, "").encode(), key.encode()):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"only `make sam-local` is served"]
        return serve(app, environ, start_response)

    return check


if __name__ == "__main__":
    from samcli.cli.main import cli

    Flask.wsgi_app = guarded(Flask.wsgi_app, os.environ[KEY_VARIABLE])  # type: ignore[method-assign]
    cli(prog_name="sam", args=sys.argv[1:])
