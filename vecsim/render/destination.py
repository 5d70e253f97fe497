"""Where results go: standard output, or a file that is replaced only when it is complete."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from vecsim.errors import OutputClosedError, StorageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

_BUFFER_SIZE = 1 << 16


@contextmanager
def open_output(output: Path | None) -> Iterator[BinaryIO]:
    """Yield a binary stream for results; `output` None or `-` is standard output.

    A file is written under a temporary name beside `output` and renamed at the end; after an error
    the file that was there stays as it was. If the reader of standard output closes it, the block
    ends without an error. Raises `StorageError`.
    """
    if output is None or is_stdout(output):
        opened = _open_stdout()
    elif os.path.exists(output) and not os.path.isfile(output):
        opened = _open_file(output, "wb", str(output))  # a device such as /dev/null is not replaced
    else:
        opened = _replace_file(output)
    with suppress(OutputClosedError), opened as raw:
        stream = io.BufferedWriter(raw, _BUFFER_SIZE)
        yield stream
        stream.flush()


def is_stdout(output: Path) -> bool:
    """Whether the path is `-`, which stands for standard output."""
    return str(output) == "-"


def is_terminal(output: Path | None) -> bool:
    """Whether results go to a terminal."""
    return (output is None or is_stdout(output)) and sys.stdout.isatty()


class TextOutput:
    """Writes text to a binary stream as UTF-8, independently of the locale.

    A lone surrogate, which UTF-8 cannot encode, is written as an escape sequence.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._write = stream.write

    def write(self, text: str) -> None:
        """Write `text`."""
        self._write(text.encode("utf-8", "backslashreplace"))


class _OutputStream(io.RawIOBase):
    """Turns errors of the stream below into `OutputClosedError` and `StorageError`.

    Other errors of the writing block pass unchanged: a `BrokenPipeError` there can come from a
    crashed decoder process instead.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self.failed = False
        self._ended = False

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        with self.translated_errors():
            return len(memoryview(data)) if self._ended else self._stream.write(data)

    def flush(self) -> None:
        with self.translated_errors():
            if not self._ended:
                self._stream.flush()

    def end(self) -> None:
        """Discard later writes: a writer above may flush its buffer after an error."""
        self._ended = True

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Translate errors of operating system calls in the block."""
        try:
            yield
        except BrokenPipeError as error:
            self.failed = True
            raise OutputClosedError from error
        except OSError as error:
            self.failed = True
            raise _write_error(self._name, error) from error


class _DecodingStream(io.RawIOBase):
    """A binary stream on top of a text stream; takes UTF-8."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def write(self, data: Buffer, /) -> int:
        self._stream.write(self._decoder.decode(memoryview(data)))
        return len(memoryview(data))

    def flush(self) -> None:
        self._stream.flush()


@contextmanager
def _open_stdout() -> Iterator[_OutputStream]:
    # A replacement of sys.stdout (in a notebook, or StringIO) may have no binary buffer.
    buffer = getattr(sys.stdout, "buffer", None) or _DecodingStream(sys.stdout)
    stream = _OutputStream(cast(BinaryIO, buffer), "standard output")
    try:
        with stream.translated_errors():
            sys.stdout.flush()  # text that was printed earlier comes first
        yield stream
        stream.flush()
    finally:
        stream.end()
        if stream.failed:
            # Python flushes standard output at exit, which would print a second error.
            with suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, sys.stdout.fileno())
                os.close(null)


@contextmanager
def _replace_file(output: Path) -> Iterator[_OutputStream]:
    # Here, because --help imports this module too.
    from vecsim.files import keep_permissions, move_into_place, temporary_path

    target = Path(os.path.realpath(output))  # a link stays a link
    temporary = temporary_path(target)
    try:
        with _open_file(temporary, "xb", str(output)) as stream:
            yield stream
            stream.flush()
        try:
            keep_permissions(target, temporary)
            move_into_place(temporary, target)
        except OSError as error:
            raise _write_error(str(output), error) from error
    finally:
        with suppress(OSError):  # it does not exist after a rename, or on a read-only disk
            temporary.unlink(missing_ok=True)


@contextmanager
def _open_file(path: Path, mode: str, name: str) -> Iterator[_OutputStream]:
    """Open `path`; errors name the file `name`."""
    try:
        opened = cast(BinaryIO, path.open(mode, buffering=0))
    except OSError as error:
        raise _write_error(name, error) from error
    stream = _OutputStream(opened, name)
    with opened:
        try:
            yield stream
        finally:
            stream.end()


def _write_error(name: str, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write {name}: {error.strerror or error}. "
        "Results need an existing, writable folder and free disk space."
    )
