"""Bytes of a source: files, pipes that a signal can interrupt, compressed files unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from vecsim import system
from vecsim.errors import InputError, MissingExtraError, StoppedError
from vecsim.sources.reading import Reading

HEAD_BYTES = 1 << 16
"""Bytes that are examined before a list is parsed, and that are read at a time."""

_WAIT = 0.2
"""Seconds that a pipe is waited for until it is asked again whether to stop."""

_COMPRESSIONS = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
)
"""How compressed files begin, and the format."""

COMPRESSED_SUFFIXES = (".gz", ".zst", ".bz2", ".xz")

_DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
"""What the decompressors raise for damaged or incomplete files."""


class ByteStream(io.RawIOBase):
    """A readable stream that begins with its `head`, and counts the bytes it has returned.

    It can be wrapped; closing it leaves what it reads from open. `read1` raises `StoppedError` once
    `stopped` says so, also while it waits for a pipe.
    """

    def __init__(self, label: str, binary: IO[bytes], stopped: Callable[[], bool]) -> None:
        """`label`: names the source in messages."""
        super().__init__()
        self.label = label
        self.count = 0
        self._binary = binary
        self._stopped = stopped
        self._poll = _pipe_number(binary)
        self.head = b""
        self.head = self._read_head()
        self._returned_head = False
        self._left = b""

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def read1(self, _size: int = -1, /) -> bytes:
        """Return the next bytes, however many; none at the end."""
        if not self._returned_head:
            self._returned_head = True
            data = self.head
        else:
            data = self._next()
        self.count += len(data)
        return data

    def readinto(self, buffer: Any, /) -> int:
        """Fill `buffer` as far as one `read1` does; 0 at the end."""
        data = self._left or self.read1()
        count = min(len(buffer), len(data))
        buffer[:count] = data[:count]
        self._left = data[count:]
        return count

    def _next(self, size: int = HEAD_BYTES) -> bytes:
        if self._stopped():
            raise StoppedError(f"Stopped while reading {self.label}.")
        if self._poll is None:
            return self._binary.read(size) or b""
        while True:
            ready = system.wait_readable(self._poll, _WAIT)
            if self._stopped():
                raise StoppedError(f"Stopped while reading {self.label}.")
            if ready:
                data = cast(io.BufferedReader, self._binary).read1(size)
                if data is not None:
                    return data

    def _read_head(self) -> bytes:
        """Read the first `HEAD_BYTES` bytes, in as many reads as a pipe needs."""
        parts = []
        missing = HEAD_BYTES
        while missing > 0 and (part := self._next(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


def _pipe_number(binary: IO[bytes]) -> int | None:
    """Return the number of an open pipe, terminal or socket, which may keep a reader waiting."""
    try:
        number = binary.fileno()
        waits = not stat.S_ISREG(os.fstat(number).st_mode)
    except (OSError, AttributeError, ValueError):
        return None
    return number if waits and hasattr(binary, "read1") else None


@contextmanager
def open_stream(source: str, stdin: IO[bytes], stopped: Callable[[], bool]) -> Iterator[ByteStream]:
    """Open the file `source`, or standard input for `-`, unpacked if it is compressed.

    Raises `InputError` if it cannot be read, `MissingExtraError` if its compression needs an
    optional package, `StoppedError`.
    """
    label = "standard input" if source == "-" else source
    with ExitStack() as opened:
        binary = stdin if source == "-" else opened.enter_context(_open_file(source))
        yield _unpacked(ByteStream(label, binary, stopped), stopped)


def copy_source(source: str, file: IO[bytes], reading: Reading) -> None:
    """Copy what `source` holds, unpacked, to a file. Raises what `open_stream` does."""
    with open_stream(source, reading.standard_input, reading.stopped) as stream:
        while data := stream.read1():
            file.write(data)


def _open_file(source: str) -> BinaryIO:
    path = Path(source)
    try:
        # Opening a pipe must not wait for its writer: a signal could not interrupt that.
        flags = os.O_RDONLY | (system.PLAIN if path.is_fifo() else system.AS_BYTES)
        return open(os.open(path, flags), "rb")  # noqa: PTH123
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}.") from error


def _unpacked(stream: ByteStream, stopped: Callable[[], bool]) -> ByteStream:
    """Return the stream, or that of its content if it is compressed."""
    for magic, name in _COMPRESSIONS:
        if stream.head.startswith(magic):
            content = _Unpacked(stream.label, name, _decompressor(name, stream))
            return ByteStream(stream.label, cast(IO[bytes], content), stopped)
    return stream


def _decompressor(name: str, stream: ByteStream) -> IO[bytes]:
    packed = cast(IO[bytes], io.BufferedReader(stream, HEAD_BYTES))
    if name == "gzip":
        return cast(IO[bytes], gzip.GzipFile(fileobj=packed))
    if name == "bzip2":
        return bz2.BZ2File(packed)
    if name == "xz":
        return lzma.LZMAFile(packed)
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError(
            f"{stream.label} is compressed with zstd, which needs the package pyarrow: "
            f"pip install 'vecsim[parquet]'"
        ) from error
    unpacked = pyarrow.CompressedInputStream(pyarrow.PythonFile(packed, mode="r"), "zstd")
    return cast(IO[bytes], unpacked)


class _Unpacked:
    """Reads from a decompressor; damage becomes an `InputError`."""

    def __init__(self, label: str, name: str, content: IO[bytes]) -> None:
        self._label = label
        self._name = name
        self._content = content

    def read(self, size: int) -> bytes:
        try:
            return self._content.read(size)
        except _DAMAGE as error:
            raise InputError(
                f"{self._label} is compressed with {self._name}, and damaged or cut short "
                f"({error})."
            ) from error
