"""`python -m airl_cli` is `airl`."""

import sys

from airl_cli.cli import main

if __name__ == "__main__":
    sys.exit(main())
