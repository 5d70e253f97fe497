"""Where results go: a file that is complete or not there at all, or standard output."""

from __future__ import annotations

import codecs
import io
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from vecsim.errors import OutputClosedError, StorageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

_BUFFER = 1 << 16


@contextmanager
def deliver(output: Path | None) -> Iterator[BinaryIO]:
    """Yield a binary stream for results; `output` None or `-` is standard output.

    A file is written beside its name and takes it over at the end; after an error what stood there
    before is untouched. When the reader of standard output goes away, the block ends quietly.
    """
    if output is None or str(output) == "-":
        place = _standard_output()
    elif os.path.exists(output) and not os.path.isfile(output):
        place = _opened(output, "wb", str(output))  # a device such as /dev/null stays one
    else:
        place = _replaced_file(output)
    with suppress(OutputClosedError), place as guard:
        stream = io.BufferedWriter(guard, _BUFFER)
        yield stream
        stream.flush()


def is_terminal(output: Path | None) -> bool:
    """Whether results go to a person's eyes."""
    return (output is None or str(output) == "-") and sys.stdout.isatty()


class TextOutput:
    """Text as UTF-8, whatever the locale says.

    What UTF-8 has no bytes for (half a surrogate pair) is written escaped: no reason to stop.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._write = stream.write

    def write(self, text: str) -> None:
        """Write `text`."""
        self._write(text.encode("utf-8", "backslashreplace"))


class _Guarded(io.RawIOBase):
    """A stream whose errors are its own, so that they cannot be taken for somebody else's.

    A broken pipe inside the block that writes may as well be that of a crashed decoder.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self.failed = False
        self._ended = False

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        with self.own_errors():
            return len(memoryview(data)) if self._ended else self._stream.write(data)

    def flush(self) -> None:
        with self.own_errors():
            if not self._ended:
                self._stream.flush()

    def sync(self) -> None:
        """Make what was written survive a power cut."""
        self.flush()
        with self.own_errors():
            os.fsync(self._stream.fileno())

    def end(self) -> None:
        """Let later writes go nowhere: a writer that was given up may still empty its buffer."""
        self._ended = True

    @contextmanager
    def own_errors(self) -> Iterator[None]:
        """Make what goes wrong in the block an error of this stream."""
        try:
            yield
        except BrokenPipeError as error:
            self.failed = True
            raise OutputClosedError from error
        except OSError as error:
            self.failed = True
            raise _refused(self._name, error) from error


class _Decoded(io.RawIOBase):
    """A text stream made to take UTF-8 bytes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def write(self, data: Buffer, /) -> int:
        self._stream.write(self._decoder.decode(memoryview(data)))
        return len(memoryview(data))

    def flush(self) -> None:
        self._stream.flush()


@contextmanager
def _standard_output() -> Iterator[_Guarded]:
    # Some stand-ins for standard output (a notebook's, StringIO) have no bytes below the text.
    buffer = getattr(sys.stdout, "buffer", None) or _Decoded(sys.stdout)
    guard = _Guarded(cast(BinaryIO, buffer), "standard output")
    try:
        with guard.own_errors():
            sys.stdout.flush()  # what was printed before comes before
        yield guard
        guard.flush()
    finally:
        guard.end()
        if guard.failed:
            # Python flushes standard output once more at exit: let that go nowhere.
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, sys.stdout.fileno())
                os.close(nowhere)


@contextmanager
def _replaced_file(output: Path) -> Iterator[_Guarded]:
    target = Path(os.path.realpath(output))  # a link stays a link
    temporary = target.with_name(f".vecsim-{secrets.token_hex(6)}.part")
    try:
        with _opened(temporary, "xb", str(output)) as guard:
            yield guard
            guard.sync()
        try:
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        except OSError as error:
            raise _refused(str(output), error) from error
    finally:
        with suppress(OSError):  # on a read-only disk it never was
            temporary.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path, mode: str, name: str) -> Iterator[_Guarded]:
    try:
        opened = cast(BinaryIO, path.open(mode, buffering=0))
    except OSError as error:
        raise _refused(name, error) from error
    guard = _Guarded(opened, name)
    with opened:
        try:
            yield guard
        finally:
            guard.end()


def _refused(name: str, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write {name}: {error.strerror or error}. "
        "Results need a folder that exists and can be written, on a disk with room."
    )
