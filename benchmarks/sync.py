"""A catalogue that changes every night: what `vecsim sync` requests, and its time.

    python benchmarks/sync.py --count 10000 --repeats 3

A server on loopback has a picture for each of `--count` products. In the next night 1 % of them are
removed, added, retitled, moved to another URL and changed at their URL, each. Before each run the
index is the one of the first night. Requests are counted, and the index after `sync --refresh` is
compared with one that is built anew: ids, fields, URLs and vectors. The first row, an `add` of the
unchanged list, downloads nothing and changes nothing: it is the time to start, read the list and
compare it with the index.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import click
from _common import REPOSITORY, remove_proxies, report, vecsim_command

sys.path.insert(0, str(REPOSITORY / "tests"))

from support.catalogue import Catalogue, first_night, next_night, write_catalogue
from support.on_disk import state


@dataclass
class Runs:
    """The runs of one command: wall and CPU seconds, and what the server counted in each."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    requests: set[tuple[int, int, int]] = field(default_factory=set)

    def measure(self, catalogue: Catalogue, *arguments: object) -> None:
        """Run a command once."""
        catalogue.forget()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run(vecsim_command(*arguments), check=True, stdout=subprocess.DEVNULL)
        self.wall.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        self.requests.add((catalogue.requests.total(), catalogue.conditional, catalogue.bodies))

    def row(self, name: str, plain: Runs) -> dict[str, object]:
        """Return the row of the table; `plain`: the runs that change nothing."""
        ((requests, conditional, bodies),) = self.requests
        wall, cpu = statistics.median(self.wall), statistics.median(self.cpu)
        return {
            "command": name,
            "s": f"{wall:.2f}",
            "x plain": f"{wall / statistics.median(plain.wall):.2f}",
            "CPU s": f"{cpu:.2f}",
            "x plain (CPU)": f"{cpu / statistics.median(plain.cpu):.2f}",
            "requests": requests,
            "conditional": conditional,
            "bodies": bodies,
        }


@click.command()
@click.option("--count", default=10_000, show_default=True, help="Products of the first night.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--model", default="bundled", show_default=True)
@click.option("--json", "output", type=click.Path(path_type=Path))
def main(count: int, repeats: int, model: str, output: Path | None) -> None:
    """Measure following a catalogue of COUNT products."""
    remove_proxies()
    share = count // 100
    names = ("add, nothing changed", "sync, nothing changed", "sync", "sync --refresh")
    runs = {name: Runs() for name in names}
    with tempfile.TemporaryDirectory() as temporary, Catalogue().open() as catalogue:
        folder = Path(temporary)
        first, index, fresh = folder / "first", folder / "index", folder / "fresh"
        # One path for both nights: a source is known by its path.
        source, today = folder / "shop.csv", folder / "today.csv"
        listed = first_night(catalogue, count)
        write_catalogue(source, listed)
        build = ("--model", model, "--no-thumbnails")
        subprocess.run(vecsim_command("build-index", first, source, *build), check=True)
        for repeat in range(repeats):
            for name in names[:2]:
                shutil.rmtree(index, ignore_errors=True)
                shutil.copytree(first, index)
                runs[name].measure(catalogue, name.partition(",")[0], index, source)
            if repeat == 0:
                yesterday = source.read_bytes()
                paths, changed = next_night(catalogue, listed, share)
                write_catalogue(today, listed)
            shutil.copy(today, source)
            if repeat == 0:
                subprocess.run(vecsim_command("build-index", fresh, source, *build), check=True)
            shutil.rmtree(index)
            shutil.copytree(first, index)
            runs["sync"].measure(catalogue, "sync", index, source)
            if set(catalogue.requests) != paths or catalogue.requests.total() != len(paths):
                sys.exit("sync requested something else than what is new or moved")
            check(index, fresh, changed)
            runs["sync --refresh"].measure(catalogue, "sync", index, source, "--refresh")
            if (catalogue.requests.total(), catalogue.bodies) != (count, share):
                sys.exit("sync --refresh did not request each image once")
            check(index, fresh, set())
            source.write_bytes(yesterday)
    plain = runs[names[0]]
    report("sync", [found.row(name, plain) for name, found in runs.items()], output)
    print(f"{count:,} products, {share:,} each removed, added, retitled, moved, changed; medians")


def check(index: Path, fresh: Path, differing: set[str]) -> None:
    """Exit unless `index` holds what `fresh` does, but for the vectors of `differing`."""
    found, right = state(index), state(fresh)
    if found.keys() != right.keys() or {i for i in right if found[i] != right[i]} != differing:
        sys.exit("the index differs from one that is built anew")


if __name__ == "__main__":
    main()
