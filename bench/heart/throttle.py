"""Runs a program with a share of one processor, as Lambda gives it to a function.

python -m bench.heart.throttle 0.29 program …

Lambda gives 1,769 MB one processor, and less memory its share of that (AWS's guide, "Configure
Lambda function memory"), in slices of 20 ms: who has used up a slice stands still until the next
one. So does this, by SIGSTOP and SIGCONT, and needs no rights for it.
"""

import os
import signal
import subprocess
import sys
import time

MB_OF_A_PROCESSOR = 1769
SLICE_SECONDS = 0.02
_LOOK_SECONDS = 0.001


def run(share: float, command: list[str]) -> int:
    """The program's exit code."""
    process = subprocess.Popen(command)
    clock = (~process.pid << 3) | 2  # clock_getcpuclockid(3), of all its threads
    looked, used, credit, runs = time.monotonic(), 0.0, 0.0, True
    while process.poll() is None:
        time.sleep(_LOOK_SECONDS)
        try:
            now, used_now = time.monotonic(), time.clock_gettime(clock)
        except OSError:  # it has just ended
            continue
        credit += (now - looked) * share - (used_now - used)
        credit = min(credit, SLICE_SECONDS * share)
        looked, used = now, used_now
        if runs != (credit > 0):
            runs = credit > 0
            os.kill(process.pid, signal.SIGCONT if runs else signal.SIGSTOP)
    return process.returncode


if __name__ == "__main__":
    sys.exit(run(float(sys.argv[1]), sys.argv[2:]))
