"""Makes forks of this process cheap: all that a command imports and starts is there before.

What the commands do with the index is as in a new process, which imports the same modules and
starts the same processes first.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vecsim.cli.process import _WithoutPandas
from vecsim.decode import template
from vecsim.decode.template import Template


class SharedTemplate(Template):
    """A template of decoder processes that forks of this process use, one fork at a time."""

    def is_alive(self) -> bool:
        """Return true: only the process that started it could ask."""
        return True

    def forget(self) -> None:
        """Keep the connection, which a fork is to use."""

    def close(self) -> None:
        """End the template."""
        Template.forget(self)
        self._process.wait()


class WarmForks:
    """Prepares this process for forks that run the same commands again and again."""

    def __init__(self) -> None:
        sys.meta_path.insert(0, _WithoutPandas())  # as the command does
        self._template = SharedTemplate(
            template.python_command(template._TEMPLATE), template.decoder_environment()
        )

    def begin(self) -> None:
        """Use what was prepared. Called in a fork, which forgot the template of its parent."""
        template._template = self._template

    def check(self) -> None:
        """Raise AssertionError if the template has ended, so that forks decode nothing."""
        assert self._template._process.poll() is None

    def warm_up(self, works: Sequence[Callable[[], object]], folder: Path) -> None:
        """Do all `works` in this process, with `folder` as its folder and without its output.

        Later forks copy nothing of what the garbage collector would write to.
        """
        self.begin()
        with _quiet(), _inside(folder):
            for work in works:
                work()
        template._template = None
        assert os.listdir("/proc/self/task") == [str(os.getpid())], "forks would lack threads"
        gc.collect()
        gc.freeze()


@contextmanager
def _quiet() -> Iterator[None]:
    """Send standard output and error to a file."""
    kept = [os.dup(number) for number in (1, 2)]
    with tempfile.TemporaryFile() as nowhere:
        for number in (1, 2):
            os.dup2(nowhere.fileno(), number)
        try:
            yield
        finally:
            for number, descriptor in zip((1, 2), kept, strict=True):
                os.dup2(descriptor, number)
                os.close(descriptor)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
