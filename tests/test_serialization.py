"""Files are whole or absent, and weights fit or are refused with the reason."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from airl_cli.errors import InvalidTypeError, InvalidValueError, NotFoundError
from airl_cli.serialization import (
    atomic_write,
    fill_module,
    load_weights,
    read_json,
    save_weights,
    to_jsonable,
    write_json,
)


def test_atomic_write_leaves_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(target) as file:
        file.write(b"new")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_atomic_write_replaces_the_old_file_and_makes_folders(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file"
    for content in (b"old", b"new"):
        with atomic_write(target) as file:
            file.write(content)
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_atomic_write_gives_ordinary_permissions(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as file:
        file.write(b"")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidValueError, match="cannot write .*inner"):
        write_json(tmp_path / "file" / "inner.json", {})


@dataclass
class Point:
    x: np.float32
    path: Path


def test_json_takes_numpy_paths_dataclasses_and_turns_nan_into_null(tmp_path: Path) -> None:
    obj = {
        "b": np.arange(3),
        "a": np.float32("nan"),
        "i": math.inf,
        "t": (1, True, None),
        "n": np.int64(4),
        "p": Point(np.float32(0.5), Path("x/y")),
        "f": np.bool_(True),
    }
    write_json(tmp_path / "x.json", obj)
    assert read_json(tmp_path / "x.json") == {
        "a": None,
        "b": [0, 1, 2],
        "f": True,
        "i": None,
        "n": 4,
        "p": {"x": 0.5, "path": "x/y"},
        "t": [1, True, None],
    }
    text = (tmp_path / "x.json").read_text()
    assert text.index('"a"') < text.index('"b"')
    assert "NaN" not in text


def test_json_refuses_what_has_no_json_form() -> None:
    with pytest.raises(InvalidTypeError, match="object cannot be written"):
        to_jsonable({"x": object()})


def test_reading_json_is_bounded_and_explains_itself(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(NotFoundError, match="cannot read"):
        read_json(path)
    path.write_text(json.dumps("x" * 100))
    with pytest.raises(InvalidValueError, match="larger than 50 bytes"):
        read_json(path, max_bytes=50)
    path.write_text("{")
    with pytest.raises(InvalidValueError, match="not valid JSON"):
        read_json(path)
    path.write_text("[" * 100_000)
    with pytest.raises(InvalidValueError, match="not valid JSON"):
        read_json(path)


def net(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def test_weights_come_back_with_buffers(tmp_path: Path) -> None:
    first, second = net(), net()
    first(torch.randn(8, 2))  # moves the running statistics and the int64 counter
    save_weights(first, tmp_path / "w")
    load_weights(second, tmp_path / "w")
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_weights_shared_under_two_names_come_back(tmp_path: Path) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(2, 2)
            self.b = self.a

    first, second = Shared(), Shared()
    save_weights(first, tmp_path / "w")
    load_weights(second, tmp_path / "w")
    assert torch.equal(first.a.weight, second.b.weight)
    assert second.a is second.b


def test_weights_of_another_shape_are_refused_and_nothing_is_loaded(tmp_path: Path) -> None:
    save_weights(net(4), tmp_path / "w")
    target = net(3)
    before = {name: t.clone() for name, t in target.state_dict().items()}
    with pytest.raises(InvalidValueError) as caught:
        load_weights(target, tmp_path / "w")
    assert "'0.weight' is (4, 2) F32, the net has (3, 2) F32" in caught.value.problem
    assert all(torch.equal(t, before[name]) for name, t in target.state_dict().items())


def test_missing_and_surplus_tensors_are_named(tmp_path: Path) -> None:
    save_weights(nn.Linear(2, 2, bias=False), tmp_path / "less")
    with pytest.raises(InvalidValueError, match="lacks the tensor 'bias'"):
        load_weights(nn.Linear(2, 2), tmp_path / "less")
    save_weights(nn.Linear(2, 2), tmp_path / "more")
    with pytest.raises(InvalidValueError, match="tensor 'bias' .* the net lacks"):
        load_weights(nn.Linear(2, 2, bias=False), tmp_path / "more")


def test_weights_of_another_element_type_are_refused(tmp_path: Path) -> None:
    save_weights(nn.Linear(2, 2).double(), tmp_path / "w")
    with pytest.raises(InvalidValueError, match="F64, the net has .* F32"):
        load_weights(nn.Linear(2, 2), tmp_path / "w")


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 64])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(InvalidValueError, match="not a readable safetensors file"):
        load_weights(net(), tmp_path / "w")
    with pytest.raises(NotFoundError):
        load_weights(net(), tmp_path / "absent")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused_and_nothing_is_loaded(
    tmp_path: Path, value: float
) -> None:
    broken, net = nn.Linear(2, 1), nn.Linear(2, 1)
    before = net.bias.clone()
    with torch.no_grad():
        broken.weight[0, 1] = value
    save_weights(broken, tmp_path / "w.safetensors")
    with pytest.raises(InvalidValueError, match="NaN or infinity in the weights weight"):
        load_weights(net, tmp_path / "w.safetensors")
    with pytest.raises(InvalidValueError, match="NaN or infinity in the weights weight"):
        fill_module(net, broken.state_dict(), "model.zip")
    assert torch.equal(net.bias, before)
