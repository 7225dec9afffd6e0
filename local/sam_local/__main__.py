"""The command line of `make sam-local`."""

import sys

from local import run

if __name__ == "__main__":
    sys.exit(run.main("local.sam_local.serving", "make sam-local"))
