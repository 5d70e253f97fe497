"""The whole examination, in the order in which it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from vecsim.models.diagnosis import TensorFlowProbe
from vecsim.operations.doctor import folder as folders
from vecsim.operations.doctor import libraries, surroundings
from vecsim.operations.doctor.finding import Finding


def examine(folder: Path, variables: Iterable[str], *, network: bool = False) -> Iterator[Finding]:
    """Look at the libraries, the `folder` for indexes, and this machine; takes some seconds.

    `variables`: the names of all environment variables that vecsim reads. Nothing is asked of the
    internet unless `network`. Where `folder` can be written, a file of 32 MB is, and deleted.
    """
    with TensorFlowProbe() as tensorflow:  # a process of its own, which works meanwhile
        yield libraries.python()
        yield libraries.faiss()
        yield libraries.numkong()
        yield libraries.litert()
        yield libraries.pillow()
        yield libraries.weights()
        yield libraries.converted_models()
        yield from folders.findings(folder)
        yield surroundings.open_files()
        yield surroundings.network(ask=network)
        yield surroundings.environment(variables)
        yield libraries.tensorflow(tensorflow.result())
