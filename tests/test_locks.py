import pytest

from airl_cli.errors import InvalidValueError
from airl_cli.locks import take_lock


def test_a_lock_is_taken_once_until_it_is_given_back(tmp_path):
    path = tmp_path / "new" / ".lock"
    first = take_lock(path)
    assert first is not None and take_lock(path) is None
    first.release()
    again = take_lock(path)
    assert again is not None and again.is_locked


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidValueError, match="cannot write .*/file/run: ") as caught:
        take_lock(tmp_path / "file" / "run" / ".lock")
    assert caught.value.remedy == "Choose a folder that can be written."
