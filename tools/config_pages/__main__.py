"""Writes the pages; says which ones changed, and what has no comment yet."""

import sys
from pathlib import Path

from airl_cli.config import conf_dir
from tools.config_pages import unexplained, write


def main() -> int:
    """0; 1 if a key has no comment."""
    folder = Path(__file__).resolve().parents[2] / "docs" / "configuration"
    for name in write(conf_dir(), folder):
        print(f"{folder / name} changed")
    gaps = unexplained(conf_dir())
    for gap in gaps:
        print(f"no comment: conf/{gap}", file=sys.stderr)
    return 1 if gaps else 0


if __name__ == "__main__":
    sys.exit(main())
