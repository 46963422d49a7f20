"""Reading `.npz` archives that somebody else may have written: no pickles, no surprises.

Shared by our own format and by those of other programs. Everything a member's header says is
compared with the bytes that are there before memory is set aside.
"""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from airl_cli.data.archives import check_inflation
from airl_cli.errors import AirlError, InvalidValueError, NotFoundError

_LOCAL_HEADER_BYTES = 30  # of a zip member, before its name and extra fields
_CHUNK_BYTES = 2**22


@contextmanager
def named(path: str | os.PathLike[str], what: str = "trajectory file") -> Iterator[None]:
    """Turns whatever goes wrong while a file is read into one error that names it.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: For anything else.
    """
    if not Path(path).is_file():
        raise NotFoundError(f"there is no {what} {path}.", "Check the path.")
    try:
        yield
    except Exception as error:  # zipfile and NumPy raise a dozen kinds on damaged bytes
        reason = error.problem if isinstance(error, AirlError) else str(error)
        remedy = error.remedy if isinstance(error, AirlError) else ""
        raise InvalidValueError(
            f"{path} is not a usable {what}: {reason.rstrip('.') or type(error).__name__}.",
            remedy or "It is damaged or of another format; write it again with airl-cli.",
        ) from error


def member_names(archive: zipfile.ZipFile) -> set[str]:
    """Names of the arrays in an archive.

    Every member is opened once: a damaged directory of names would otherwise look like a file in
    which some (optional) array was never there.

    Raises:
        InvalidValueError: If two members have the same name.
    """
    names = [info.filename for info in archive.infolist()]
    for info in archive.infolist():
        archive.open(info).close()  # compares the directory with the member's own header
    if len(set(names)) != len(names):
        raise InvalidValueError("two of its members have the same name")
    return {name.removesuffix(".npy") for name in names}


@dataclass(frozen=True)
class ArrayHeader:
    """What a member's header says.

    Attributes:
        shape: Of the array; never empty.
        dtype: Of its elements.
        fortran_order: Whether the first axis changes fastest.
        offset: Bytes of the header itself.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    offset: int


def read_header(file: IO[bytes], name: str, size: int, *, plain: bool = True) -> ArrayHeader:
    """The header of a member, compared with the member's size in bytes.

    Args:
        file: The member, at its start.
        name: For messages.
        size: Bytes of the member.
        plain: Refuse scalars and Fortran order, too.

    Raises:
        InvalidValueError: If it is no array of numbers, or its size is another.
    """
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise InvalidValueError(f"{name} is in another version of NumPy's format")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran_order, dtype = read(file)
    if dtype.hasobject and not plain:
        raise InvalidValueError(
            f"{name} holds Python objects: a pickle, which could run code when it is read",
            "Pickles are never loaded: write it again as an array of numbers.",
        )
    if dtype.kind not in "biuf" or min(shape, default=0) < 0:
        raise InvalidValueError(f"{name} is no plain array of numbers")
    if plain and (fortran_order or not shape):
        raise InvalidValueError(f"{name} is no plain array of numbers")
    if file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise InvalidValueError(f"{name} does not have the size that its shape says")
    return ArrayHeader(tuple(shape), dtype, fortran_order, file.tell())


def read_member(archive: zipfile.ZipFile, name: str, *, plain: bool = True) -> np.ndarray:
    """A whole array, its checksum compared.

    Args:
        archive: The opened file.
        name: Of the array.
        plain: Our own format: uncompressed, C order. Otherwise as `np.savez_compressed` may write.

    Raises:
        InvalidValueError: If it is not what it should be, or would need pickle.
    """
    info = archive.getinfo(f"{name}.npy")
    if plain and info.compress_type != zipfile.ZIP_STORED:
        raise InvalidValueError(f"{name} is compressed")  # a small file could fill the memory
    check_inflation(info, archive.filename)
    with archive.open(info) as file:
        read_header(file, name, info.file_size, plain=plain)
    with archive.open(info) as file:  # zipfile compares the checksum at the end
        array: np.ndarray = npy.read_array(file, allow_pickle=False)
        if file.read(1):
            raise InvalidValueError(f"{name} is longer than its shape says")
    return array


class Column:
    """An array inside an archive of which only the rows asked for are read.

    Rows are read with plain file reads and not through a memory map, whose pages would count as
    this process's memory once touched.

    Args:
        file: The archive, unbuffered and seekable.
        info: The member, stored uncompressed.

    Raises:
        InvalidValueError: If the member is compressed or no plain array.
    """

    def __init__(self, file: IO[bytes], info: zipfile.ZipInfo) -> None:
        name = info.filename.removesuffix(".npy")
        if info.compress_type != zipfile.ZIP_STORED:
            raise InvalidValueError(f"{name} is compressed")
        self._file = file
        self._info = info
        file.seek(info.header_offset)
        local = file.read(_LOCAL_HEADER_BYTES)
        skipped = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
        self._begin = info.header_offset + _LOCAL_HEADER_BYTES + skipped
        file.seek(self._begin)
        header = read_header(_Window(file, self._begin), name, info.file_size)  # type: ignore[arg-type]
        self.shape, self.dtype = header.shape, header.dtype
        self._data = self._begin + header.offset
        self._row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop`, both within the array."""
        rows = np.empty((stop - start, *self.shape[1:]), dtype=self.dtype)
        if rows.nbytes:
            self._fill(rows, self._data + start * self._row_bytes)
        return rows

    def pick(self, index: np.ndarray, width: int = 1) -> np.ndarray:
        """For each `i` of `index`, rows `i` to `i + width`: `(len(index), width, ...)`."""
        picked = np.empty((len(index), width, *self.shape[1:]), dtype=self.dtype)
        if picked.nbytes:
            for place in np.argsort(index):  # in the order in which they lie on the disk
                self._fill(picked[place], self._data + int(index[place]) * self._row_bytes)
        return picked

    def verify(self) -> None:
        """Compares the checksum of the whole member, a piece at a time.

        Raises:
            InvalidValueError: If it differs.
        """
        checksum, left = 0, self._info.file_size
        self._file.seek(self._begin)
        while left:
            piece = self._file.read(min(left, _CHUNK_BYTES))
            if not piece:
                break
            checksum, left = zlib.crc32(piece, checksum), left - len(piece)
        if left or checksum != self._info.CRC:
            raise InvalidValueError(f"the checksum of {self._info.filename} is wrong")

    def _fill(self, rows: np.ndarray, position: int) -> None:
        view = memoryview(rows.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        self._file.seek(position)
        while len(view):
            count = self._file.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise InvalidValueError(f"{self._info.filename} ends too early")
            view = view[count:]


class _Window:
    """A file whose positions count from `begin`, as NumPy's header readers want it."""

    def __init__(self, file: IO[bytes], begin: int) -> None:
        self._file, self._begin = file, begin

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def tell(self) -> int:
        return self._file.tell() - self._begin
