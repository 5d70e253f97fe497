"""The Ray engine beside the local one: build, match, the driver's memory.

    python benchmarks/ray_engine.py --count 1000 --repeats 3
    python benchmarks/ray_engine.py --rows 10000 --rows 100000

Two one-core workers (of a cluster started here) against the local engine on all cores; the time of
a Ray run includes its connection and the loading of models. The photographs come from eight hosts
on loopback, since one worker owns a host at a time.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from _common import SHARED
from _photos import make_photos, serve

HOSTS = 8
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_raylet_start_wait_time_s", "180")  # on a busy machine


@contextmanager
def cluster() -> Iterator[str]:
    """Two nodes of one core beside a head that runs no work; yields the address."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": 200_000_000, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=200_000_000)
    try:
        _settle()
        yield str(nodes.address)
    finally:
        nodes.shutdown()


def _settle() -> None:
    """Wait until what the nodes start beside themselves has started: a cluster runs for long."""
    for _ in range(12):
        with Processors() as processors:
            time.sleep(5)
        if processors.seconds["cluster"] < 1:
            return


def timed(*arguments: object) -> tuple[float, float]:
    """Wall seconds of a vecsim command, and the peak memory of its process in MB."""
    command = [sys.executable, "-m", "vecsim", "--quiet", *map(str, arguments)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise click.ClickException(f"{command}: {process.stderr.read().decode()[-2000:]}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


class Processors:
    """Processor seconds of this process's descendants while the block lasts, by what they are.

    Looked at ten times a second, since workers end without anybody waiting for them: what a process
    used in its last tenth is missing. Servers of pictures are left out.
    """

    def __enter__(self) -> Processors:
        self._used: dict[tuple[int, str], tuple[str, float]] = {}
        self._look()
        self._before = dict(self._used)
        self._over = Event()
        self._thread = Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._look()
        self._over.set()
        self._thread.join()

    @property
    def seconds(self) -> dict[str, float]:
        """By kind: the command, the cluster's workers, the cluster itself."""
        found = {"command": 0.0, "workers": 0.0, "cluster": 0.0}
        for process, (kind, used) in self._used.items():
            if kind in found:
                found[kind] += used - self._before.get(process, ("", 0.0))[1]
        return found

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self._look()

    def _look(self) -> None:
        kinds = {os.getpid(): ""}
        stats = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    stats[int(entry.name)] = fields
        for pid in sorted(stats, key=lambda pid: int(stats[pid][19])):  # parents first
            parent = int(stats[pid][1])
            if parent not in kinds or pid in kinds:
                continue
            process = (pid, stats[pid][19])
            before = self._used[process][0] if process in self._used else "cluster"
            inherited = kinds[parent] in ("command", "workers")
            kinds[pid] = kinds[parent] if inherited else _kind(pid) or before
            used = (int(stats[pid][11]) + int(stats[pid][12])) / os.sysconf("SC_CLK_TCK")
            self._used[process] = kinds[pid], used


def _kind(pid: int) -> str:
    """What a process is; nothing for one that has ended."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
    if not command:
        return ""
    if "http.server" in command:
        return "pictures"
    if " -m vecsim " in command:
        return "command"
    return "workers" if command.startswith("ray::") else "cluster"


def compare(name: str, ways: dict[str, list[object]], repeats: int, folder: Path) -> None:
    """Run each way in turns; print medians and the ratio, of wall and of processor time."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    used: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for repeat in range(repeats):
        for way, arguments in ways.items():
            out = folder / f"{name.split()[0]}-{way}-{repeat}"
            with Processors() as processors:
                seconds, _ = timed(*(out if part is Ellipsis else part for part in arguments))
            times[way].append(seconds)
            used[way].append(processors.seconds)
    local, ray = (statistics.median(times[way]) for way in ("local", "ray"))
    click.echo(f"{name}: local {local:.2f} s, ray {ray:.2f} s, ratio {ray / local:.2f}")
    here, there = (statistics.median(sum(run.values()) for run in used[way]) for way in times)
    parts = {kind: statistics.median(run[kind] for run in used["ray"]) for kind in used["ray"][0]}
    split = ", ".join(f"{kind} {seconds:.1f}" for kind, seconds in parts.items())
    click.echo(
        f"  of processor time: local {here:.1f} s, ray {there:.1f} s ({split}), "
        f"ratio {there / here:.2f}"
    )


def build(count: int, repeats: int, model: str, ray: list[object], folder: Path) -> None:
    """The same photographs, fetched by two workers and by this machine."""
    photos = folder / "photos"
    names = make_photos(SHARED, photos, count)
    with ExitStack() as opened:
        hosts = [opened.enter_context(serve(photos)) for _ in range(HOSTS)]
        lines = [f"{n},{hosts[n % HOSTS]}/{name}" for n, name in enumerate(names)]
        source = folder / "photos.csv"
        source.write_text("\n".join(["id,url", *lines]) + "\n")
        base: list[object] = ["build-index", ..., source, "--model", model]
        compare(f"build {count}", {"local": base, "ray": base + ray}, repeats, folder)


def match(size: int, repeats: int, ray: list[object], folder: Path) -> None:
    """The real features, each row several times with a little noise: `size` against `size`."""
    from vecsim import Index

    random = np.random.default_rng(1)
    paths = []
    for number in (1, 2):
        rows = np.load(SHARED / "features" / f"source{number}.float16.npy").astype(np.float32)
        rows = rows[random.integers(0, len(rows), size)]
        rows += random.normal(0, 0.02 * np.abs(rows).mean(), rows.shape).astype(np.float32)
        paths.append(folder / f"features{number}")
        Index.from_vectors(paths[-1], rows, range(size)).close()
    base: list[object] = ["match", *paths, "--threshold", 0.95, "--output", ...]
    compare(f"match {size} x {size}", {"local": base, "ray": base + ray}, repeats, folder)


def driver_memory(rows: int, ray: list[object], folder: Path) -> None:
    """Cheap pictures from local files, each under many names."""
    from PIL import Image

    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    Image.new("L", (32, 32), 99).save(pictures / "0.png")
    for number in range(rows):
        name = pictures / f"{number}.png"
        if not name.exists():
            name.symlink_to(pictures / "0.png")
    source = folder / f"{rows}.csv"
    lines = (f"{n},{pictures}/{n}.png" for n in range(rows))
    source.write_text("\n".join(["id,url", *lines]) + "\n")
    with Processors() as processors:
        index = folder / f"rows{rows}"
        seconds, peak = timed("build-index", index, source, "--model", "phash", *ray)
    used = processors.seconds["command"] / rows
    click.echo(
        f"{rows} rows: {rows / seconds:,.0f} a second, driver's peak {peak:,.0f} MB and "
        f"{1e6 * used:.0f} µs of processor time a row"
    )


@click.command()
@click.option("--count", default=1_000, help="Photographs to build from (0: none).")
@click.option("--model", default="bundled")
@click.option("--size", default=60_000, help="Vectors on each side of the match (0: none).")
@click.option("--rows", multiple=True, type=int, help="Rows of cheap pictures, for memory.")
@click.option("--repeats", default=3)
def main(count: int, model: str, size: int, rows: tuple[int, ...], repeats: int) -> None:
    """Print ratios."""
    with tempfile.TemporaryDirectory(prefix="vecsim-ray-") as place:
        folder = Path(place)
        with cluster() as address:
            ray: list[object] = ["--engine", "ray", "--ray-address", address]
            if count:
                build(count, repeats, model, ray, folder)
            if size:
                match(size, repeats, ray, folder)
            for number in rows:
                driver_memory(number, ray, folder)
    click.echo(f"peak here: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
