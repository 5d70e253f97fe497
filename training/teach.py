"""Embed the pictures of a part file with the teacher, and unpack them for training.

    python teach.py PARTS/00.part --teacher sscd.onnx              vectors only, beside the part
    python teach.py PARTS/00.part --teacher sscd.onnx --data DATA  also the arrays to train on

The teacher is SSCD (Meta, MIT) as an ONNX file: "image" uint8 [N, H, W, 3] in, 512 numbers out.
Vectors that already lie beside the part (`00.vectors.npy`, the first rows of it) are not computed
again; they are saved once a minute, so the same command resumes after a stop.
DATA receives 00.aspects.npy, 00.vectors.npy and, last and by a rename, 00.pictures.npy.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pictures import decode_square, read_part
from PIL import Image

TEACHER_SIDE = 256
DIM = 512
BATCH = 8
SAVE_EVERY = 60.0  # seconds

Vectors = NDArray[np.float16]
_session: Any = None  # the ONNX Runtime session of a worker process


def start_worker(model: Path) -> None:
    """Load the teacher in this process, on one thread."""
    global _session
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    _session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def embed(files: list[bytes]) -> Vectors:
    """Teacher's unit vectors of WebP files: float16 [len(files), 512]."""
    size = (TEACHER_SIDE, TEACHER_SIDE)
    images = [Image.fromarray(decode_square(file)) for file in files]
    batch = np.stack([np.asarray(image.resize(size, Image.Resampling.BICUBIC)) for image in images])
    vectors = _session.run(None, {"image": batch})[0]
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    return unit


def load_vectors(path: Path) -> list[Vectors]:
    """The vectors computed by an earlier run, as a list of arrays."""
    return [np.load(path)] if path.exists() else []


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write `array` to `path` atomically."""
    partial = path.with_name(f"{path.name}.partial.npy")
    np.save(partial, array)
    os.replace(partial, path)


def teach(part: Path, model: Path, processes: int) -> Vectors:
    """Embed all pictures of `part`, going on from the vectors saved beside it."""
    path = part.with_suffix(".vectors.npy")
    done = load_vectors(path)
    files = [data for _, data in read_part(part)][sum(map(len, done)) :]
    if not files:
        return done[0]
    batches = [files[at : at + BATCH] for at in range(0, len(files), BATCH)]
    saved = time.monotonic()
    with multiprocessing.Pool(processes, start_worker, (model,)) as pool:
        for vectors in pool.imap(embed, batches):
            done.append(vectors)
            if time.monotonic() - saved > SAVE_EVERY:
                save_array(path, np.concatenate(done))
                saved = time.monotonic()
    save_array(path, np.concatenate(done))
    return np.concatenate(done)


def unpack(part: Path, processes: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the pixels of all pictures of `part`, [side, side, 3] each."""
    with multiprocessing.Pool(processes) as pool:
        yield from pool.imap(decode_square, [data for _, data in read_part(part)], chunksize=64)


def main() -> None:
    """Parse the command line; compute the vectors; write the arrays where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", type=Path)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    started = time.monotonic()
    vectors = teach(options.part, options.teacher, options.processes)
    if options.data:
        options.data.mkdir(parents=True, exist_ok=True)
        target = options.data / options.part.stem
        aspects = np.array([aspect for aspect, _ in read_part(options.part)], np.float32)
        save_array(target.with_suffix(".vectors.npy"), vectors)
        save_array(target.with_suffix(".aspects.npy"), aspects)
        pictures = np.stack(list(unpack(options.part, options.processes)))
        save_array(target.with_suffix(".pictures.npy"), pictures)
    print(f"{options.part.name}: {len(vectors)} in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
