"""Runs the real `vecsim` command and measures the peak memory of it and its child processes."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from support.commands import without_progress


@dataclass(frozen=True)
class Ran:
    """Exit status, output, duration and peak memory (bytes) of a command."""

    status: int
    out: str
    err: str
    seconds: float = 0.0
    memory: int = 0

    @property
    def rows(self) -> list[dict[str, str]]:
        """Standard output as CSV."""
        return list(csv.DictReader(self.out.splitlines()))


def vecsim(*arguments: object, limit: float = 120, **environment: str) -> Ran:
    """Run `vecsim` without proxies; fails the test after `limit` seconds."""
    inherited = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "vecsim", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**inherited, "VECSIM_MODEL": "phash", **environment},
    )
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            time.sleep(0.1)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        out, err = process.communicate(timeout=limit)
    finally:
        process.kill()
    watcher.join()
    return Ran(process.returncode, out, without_progress(err), time.monotonic() - began, peak)


def memory_of(process: int) -> int:
    """Memory of a process and its children in bytes, shared pages counted once (PSS)."""
    total = 0
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total = int(line.split()[1]) * 1024
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for task in Path(f"/proc/{process}/task").iterdir():
            children += (task / "children").read_text().split()
    except OSError:  # the process has ended
        return total
    return total + sum(memory_of(int(child)) for child in set(children))


def write_list(path: Path, urls: dict[str, str]) -> Path:
    """Write a CSV of ids and their URLs."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "url"])
        writer.writerows(urls.items())
    return path
