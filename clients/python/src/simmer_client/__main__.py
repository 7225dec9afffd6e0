"""`python -m simmer_client` is `simmer`."""

import sys

from simmer_client.cli import main

sys.exit(main())
