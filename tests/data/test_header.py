import json

import numpy as np
import pytest

from airl_cli.data import storage
from airl_cli.errors import InvalidValueError
from support.demos import episodes, rewrite


def header_with(path, **changes):
    with np.load(path) as file:
        header = json.loads(file["header"].tobytes()) | changes
    return np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "format version 2.*reads up to 1\\.\nUpgrade"),
        ({"version": "1"}, "format version is '1'"),
        ({"version": 0}, "format version is 0"),
        ({"format": "other"}, "header is not one of"),
        ({"metadata": None}, "lacks or has unknown fields"),
        ({"more": 1}, "lacks or has unknown fields"),
        ({"action_space": {"type": "Discrete", "n": -1, "start": 0}}, "invalid description"),
        ({"action_space": {"type": "MultiBinary", "shape": [4]}}, "do not fit the space"),
    ],
)
def test_headers_that_say_something_else_are_refused(tmp_path, changes, message):
    path = tmp_path / "t.npz"
    storage.save(path, episodes())
    rewrite(path, header=header_with(path, **changes))
    with pytest.raises(InvalidValueError, match=message):
        storage.load(path)
