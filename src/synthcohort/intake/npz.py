"""Arrays in npz files, read one after the other, without pickles."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from synthcohort.errors import UserError
from synthcohort.intake import lookalikes

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    # The same but for field names in UTF-8, and arrays with fields are none of images.
    (3, 0): np.lib.format.read_array_header_2_0,
}


class Npz:
    """An open npz file; get one from `opened`."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self._archive = path, archive
        # Without .npy it is something else that was packed with them.
        arrays = [name for name in archive.namelist() if name.endswith(".npy")]
        self.names = sorted(name.removesuffix(".npy") for name in arrays)
        """The names of the arrays."""
        if twice := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise UserError(
                f"{path}: holds {', '.join(twice)} twice, and nobody says which is right; save it "
                "again with numpy.savez"
            )

    def header(self, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
        """Shape, whether it lies in Fortran order, and type of an array, without its values.

        Raises:
            UserError: it holds Python objects, or has no header that is known.
        """
        with self._archive.open(f"{name}.npy") as file:
            return self._header(file, name)

    def array(self, name: str) -> np.ndarray:
        """A whole array.

        Raises:
            UserError: as `header` does.
        """
        with self._archive.open(f"{name}.npy") as file:
            shape, by_columns, dtype = self._header(file, name)
            data = file.read()
        if len(data) != int(np.prod(shape)) * dtype.itemsize:
            raise EOFError(f"{name} has {len(data)} bytes, other than its header announces")
        return np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C")

    def rows(self, name: str) -> Iterator[np.ndarray]:
        """One item of the first axis after the other, so that memory stays flat, compressed or not.

        The array is in C order.
        """
        with self._archive.open(f"{name}.npy") as file:
            (count, *shape), _, dtype = self._header(file, name)
            size = int(np.prod(shape)) * dtype.itemsize
            for _ in range(count):
                if len(data := file.read(size)) < size:
                    raise EOFError(f"{name} ends before its last row")
                row = np.frombuffer(data, dtype).reshape(shape)
                yield row.astype(dtype.newbyteorder("="), copy=False)

    def _header(self, file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise UserError(
                f"{self.path}: {name} is stored in version {version[0]}.{version[1]} of numpy's "
                "format, which is not known here; save it again with numpy.savez"
            )
        shape, by_columns, dtype = _HEADERS[version](file)
        if dtype.hasobject:
            raise UserError(
                f"{self.path}: {name} holds Python objects, which can run programs when they are "
                "read; save it as numbers or text: .astype(str) for ids, .astype(int) for labels; "
                "images need one shape and .astype(numpy.uint8)"
            )
        return shape, by_columns, dtype


@contextmanager
def opened(path: Path) -> Iterator[Npz]:
    """An npz file, open for reading.

    Raises:
        UserError: it is absent or no npz, or holds an array twice; while it is open, its content
            is damaged or locked by a password.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield Npz(path, archive)
    except (
        OSError,
        EOFError,
        ValueError,
        RuntimeError,  # encrypted, or compressed in another way
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        if isinstance(error, RuntimeError):
            why = f"{error}; save it again with numpy.savez"
        else:
            why = lookalikes.why(path, error, b"PK")
        raise UserError(f"{path}: cannot be read as an npz: {why}") from None
