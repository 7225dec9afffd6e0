"""Runs a Python module so that it cannot outlive whoever started it.

`python guard.py <module or file.py>`: the starter keeps the other end of stdin open and never
writes. When it is gone, however it went, this end reads the end of file, and the whole process
group (the module and every process it made) is killed. Standard library only: it runs in the
emulator's interpreter as well as in ours.
"""

import os
import runpy
import signal
import sys
import threading


def _die_with_starter() -> None:
    # Not sys.stdin, whose lock would be held for ever.
    while os.read(0, 1024):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    if os.getpgrp() != os.getpid():
        sys.exit("guard.py must lead its own process group")
    threading.Thread(target=_die_with_starter, daemon=True).start()
    sys.argv = sys.argv[1:]
    if sys.argv[0].endswith(".py"):
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
