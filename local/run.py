"""`make run`: the whole of Simmer on this machine, from template.yaml, until Ctrl-C.

This module only reads the command line, takes the port and heeds signals, so that these work from
the first moment; the rest is in serving.py, whose imports take a second.
"""

import argparse
import contextlib
import importlib
import signal
import socket
import sys
from typing import NoReturn

LOOPBACK = "127.0.0.1"
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody wants us to end; not an error."""


def main(serves: str = "local.serving", program: str = "make run") -> int:
    """Have the module `serves` serve at the port that the command line names."""
    for number in _STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        options = _options(program)
        try:
            listener = _listen(options.bind, options.port)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            remedy = "PORT=…" if options.bind == LOOPBACK else "HOST=0.0.0.0"
            return _fail(
                program,
                f"port {options.port} of {options.bind}: {reason}; try `{program} {remedy}`",
            )
        return _serve(options, listener, serves, program)
    except Stopped:
        print("stopped", flush=True)
        return 0


def _serve(options: argparse.Namespace, listener: socket.socket, serves: str, program: str) -> int:
    serving = importlib.import_module(serves)

    with listener, contextlib.ExitStack() as cleanup:
        try:
            serving.serve(options, listener, cleanup)
        except serving.FAILURES as error:
            return _fail(program, str(error))
        finally:
            # A second Ctrl-C must not interrupt the clearing up.
            for number in _STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
    raise Stopped


def _options(program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=program, description="Simmer on this machine.")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument(
        "--bind",
        default=LOOPBACK,
        metavar="ADDRESS",
        help="an address of this machine, or 0.0.0.0 for all: others in the network can reach it",
    )
    parser.add_argument("--model", choices=["local"], help="the small one that runs right here")
    parser.add_argument("--model-delay", type=float, default=4.0, metavar="SECONDS")
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        type=str.lower,
        metavar="NAME:PORT",
        help="a further Host that is served, such as a tunnel's",
    )
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=_parameter,
        metavar="NAME=VALUE",
        help="a parameter of template.yaml",
    )
    return parser.parse_args()


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("must be NAME=VALUE")
    return name, value


def _listen(address: str, port: int) -> socket.socket:
    """Take the port first of all, so that a taken one is known before anything is started.

    It is not listened on yet: until there is somebody to answer, connections are refused.
    """
    listener = socket.socket()
    try:
        # After a stop, connections may linger on the port for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    except OverflowError as error:  # not a port's number
        listener.close()
        raise OSError(str(error)) from None
    except BaseException:
        listener.close()
        raise
    return listener


def _stop(*_: object) -> NoReturn:
    raise Stopped


def _fail(program: str, message: str) -> int:
    print(f"{program}: {message}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
