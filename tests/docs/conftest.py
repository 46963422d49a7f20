"""The repository's examples, at the place where the pages have them."""

from pathlib import Path

import pytest

from support.docs import REPOSITORY


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """`examples/` below the folder in which the `airl` fixture runs commands."""
    folder = tmp_path / "examples"
    folder.symlink_to(REPOSITORY / "examples", target_is_directory=True)
    return folder
