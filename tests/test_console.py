"""What is printed is harmless, whoever wrote it."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
from rich.table import Table

from airl_cli.cli import main
from airl_cli.config.logs import PrintableFormatter, RunLogHandler
from airl_cli.console import SafeConsole


def printed(renderable: object, encoding: str = "utf-8") -> str:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding)
    SafeConsole(file=stream, width=60).print(renderable)
    stream.flush()
    return buffer.getvalue().decode(encoding)


def test_control_characters_in_a_table_do_not_reach_the_terminal() -> None:
    table = Table("name\x1b]0;title\x07")
    table.add_row("a\x1b[2Jb\u202ec")
    text = printed(table)
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text
    assert "a?[2Jb?c" in text and text.count("\n") >= 4


def test_a_terminal_of_ascii_gets_ascii() -> None:
    table = Table("é")
    table.add_row("über")
    assert "?ber" in printed(table, "ascii")


def test_a_full_device_ends_no_command() -> None:
    class Full(io.StringIO):
        tried = 0

        def write(self, text: str) -> int:
            self.tried += 1
            raise OSError(28, "No space left on device")

    full = Full()
    SafeConsole(file=full).print("text")
    assert full.tried > 0


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, "", 0, message, None, None)


def test_a_line_of_a_log_cannot_be_forged() -> None:
    text = PrintableFormatter("[%(levelname)s] %(message)s").format(
        record("a\x1b[2J\n[ERROR] forged")
    )
    assert text == "[INFO] a\\x1b[2J\n  [ERROR] forged"


def test_a_log_begins_when_the_command_is_accepted(tmp_path: Path) -> None:
    handler = RunLogHandler(str(tmp_path / "elsewhere" / "train.log"))
    handler.emit(record("before"))
    assert list(tmp_path.iterdir()) == []
    handler.begin(tmp_path)
    handler.emit(record("after"))
    handler.close()
    assert (tmp_path / "train.log").read_text() == "before\nafter\n"


def test_the_pickle_of_an_earlier_job_is_not_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.pickle"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert main(["train", "--experimental-rerun", str(path)]) == 2
    assert "is not offered" in capsys.readouterr().err
