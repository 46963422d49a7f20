"""Text of any origin, fit to be shown."""

from airl_cli.errors import one_line
from airl_cli.text import printable


def test_control_characters_become_escapes() -> None:
    assert printable("\x1b[2Jx\ny\u202e\udc80") == "\\x1b[2Jx\\ny\\u202e\\udc80"
    assert printable("plain ünïcode") == "plain ünïcode"


def test_long_text_is_cut() -> None:
    assert printable("x" * 50, 10) == "xxxxxxx..."


def test_an_error_is_one_line_or_its_name() -> None:
    assert one_line(ValueError("a\n  b\x07")) == "a b\\x07"
    assert one_line(KeyError()) == "KeyError"
