"""The Ray engine beside the local engine: build, match, memory of the driver.

    python benchmarks/ray_engine.py --count 1000 --repeats 3
    python benchmarks/ray_engine.py --rows 10000 --rows 100000

Two workers of one core each, of a cluster started here, against the local engine on all cores. The
time of a Ray run includes connecting and loading models. The photographs come from eight hosts on
loopback, because only one worker at a time fetches from a host.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import click
import numpy as np
from _common import SHARED, run_process, vecsim_command
from _photos import make_photos, serve

HOSTS = 8
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_raylet_start_wait_time_s", "180")  # on a busy machine


@contextmanager
def cluster() -> Iterator[str]:
    """Start two nodes of one core, and a head that runs no work; yields the address."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": 200_000_000, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=200_000_000)
    try:
        wait_until_idle()
        yield str(nodes.address)
    finally:
        nodes.shutdown()


def wait_until_idle() -> None:
    """Wait until the helper processes of the nodes have started: real clusters run for long."""
    for _ in range(12):
        with CpuTimes() as times:
            time.sleep(5)
        if times.seconds["cluster"] < 1:
            return


class CpuTimes:
    """CPU seconds of this process's descendants during the block, by kind of process.

    Sampled ten times a second, since workers end without a parent that waits for them: what a
    process uses after its last sample is missing. Servers of pictures do not count.
    """

    def __enter__(self) -> CpuTimes:
        self._used: dict[tuple[int, str], tuple[str, float]] = {}
        self._sample()
        self._before = dict(self._used)
        self._done = Event()
        self._thread = Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sample()
        self._done.set()
        self._thread.join()

    @property
    def seconds(self) -> dict[str, float]:
        """CPU seconds by kind: the command, the workers of the cluster, the rest of the cluster."""
        found = {"command": 0.0, "workers": 0.0, "cluster": 0.0}
        for process, (kind, used) in self._used.items():
            if kind in found:
                found[kind] += used - self._before.get(process, ("", 0.0))[1]
        return found

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            self._sample()

    def _sample(self) -> None:
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
    """Return the kind of a process; empty for one that has ended."""
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
    """Run the ways in turns; print medians and their ratio, of wall and of CPU time."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    used: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for repeat in range(repeats):
        for way, arguments in ways.items():
            out = folder / f"{name.split()[0]}-{way}-{repeat}"
            command = vecsim_command(*(out if part is Ellipsis else part for part in arguments))
            with CpuTimes() as cpu:
                seconds, _ = run_process(command)
            times[way].append(seconds)
            used[way].append(cpu.seconds)
    local, ray = (statistics.median(times[way]) for way in ("local", "ray"))
    click.echo(f"{name}: local {local:.2f} s, ray {ray:.2f} s, ratio {ray / local:.2f}")
    here, there = (statistics.median(sum(run.values()) for run in used[way]) for way in times)
    parts = {kind: statistics.median(run[kind] for run in used["ray"]) for kind in used["ray"][0]}
    split = ", ".join(f"{kind} {seconds:.1f}" for kind, seconds in parts.items())
    click.echo(
        f"  CPU time: local {here:.1f} s, ray {there:.1f} s ({split}), ratio {there / here:.2f}"
    )


def build(count: int, repeats: int, model: str, ray: list[object], folder: Path) -> None:
    """Build from the same photographs with two workers and on this machine."""
    photos = folder / "photos"
    names = make_photos(photos, count)
    with ExitStack() as opened:
        hosts = [opened.enter_context(serve(photos)) for _ in range(HOSTS)]
        lines = [f"{n},{hosts[n % HOSTS]}/{name}" for n, name in enumerate(names)]
        source = folder / "photos.csv"
        source.write_text("\n".join(["id,url", *lines]) + "\n")
        base: list[object] = ["build-index", ..., source, "--model", model]
        compare(f"build {count}", {"local": base, "ray": base + ray}, repeats, folder)


def match(size: int, repeats: int, ray: list[object], folder: Path) -> None:
    """Match `size` with `size` vectors: real ones, repeated with a little noise."""
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
    """Build from local files, links to one small picture; print the memory of the driver."""
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
    index = folder / f"rows{rows}"
    command = vecsim_command("build-index", index, source, "--model", "phash", *ray)
    with CpuTimes() as cpu:
        seconds, peak = run_process(command)
    used = cpu.seconds["command"] / rows
    click.echo(
        f"{rows} rows: {rows / seconds:,.0f} per second, peak memory of the driver {peak:,.0f} MB, "
        f"{1e6 * used:.0f} µs of CPU time per row"
    )


@click.command()
@click.option("--count", default=1_000, help="Photographs to build from (0: none).")
@click.option("--model", default="bundled")
@click.option("--size", default=60_000, help="Vectors on each side of the match (0: none).")
@click.option("--rows", multiple=True, type=int, help="Rows of small pictures, for memory.")
@click.option("--repeats", default=3)
def main(count: int, model: str, size: int, rows: tuple[int, ...], repeats: int) -> None:
    """Measure the Ray engine beside the local one."""
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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(f"peak memory of this process: {peak:,.0f} MB")


if __name__ == "__main__":
    main()
