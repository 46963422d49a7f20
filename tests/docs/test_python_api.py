"""The examples of `docs/python-api.md`, run as they stand there."""

import doctest
from pathlib import Path

import pytest

from support.docs import DOCS, blocks

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_the_examples_run_with_the_outputs_shown(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("outputs/tutorial").mkdir(parents=True)
    Path("outputs/tutorial/cartpole").symlink_to(trained_run)
    source = "\n".join(blocks(DOCS / "python-api.md", "pycon"))
    test = doctest.DocTestParser().get_doctest(source, {}, "python-api.md", None, 0)
    reports: list[str] = []
    results = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=reports.append)
    assert results.attempted > 50
    assert results.failed == 0, "".join(reports)
