"""What a whole process costs: seconds, processor time, memory, calls of functions.

The processor time and the memory come from the kernel when the process ends. The process is started
by a small one: a process begins with the peak memory of the one that started it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = """\
import json, os, sys, time
output, *command = sys.argv[1:]
flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
actions = [(os.POSIX_SPAWN_OPEN, 1, output, flags, 0o600)]
started = time.perf_counter()
child = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - started
cpu = usage.ru_utime + usage.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), wall, cpu, usage.ru_maxrss / 1024]))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall and processor seconds of a process and its children, peak memory of one in megabytes."""

    wall: float
    cpu: float
    peak_mb: float


def python_environment() -> dict[str, str]:
    """Return an environment in which compiled modules are written and used, as pip does."""
    return {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cost_of(
    command: Sequence[object],
    output: str | Path = os.devnull,
    environment: dict[str, str] | None = None,
) -> Cost:
    """Run `command` to its end.

    `output`: the file for its standard output. Raises AssertionError, with its error output, if it
    fails.
    """
    ran = subprocess.run(
        [sys.executable, "-S", "-E", "-c", _LAUNCHER, str(output), *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        env=python_environment() if environment is None else environment,
    )
    assert not ran.returncode, ran.stderr[-2000:]
    status, wall, cpu, peak_mb = json.loads(ran.stdout)
    assert not status, f"{command}: status {status}\n{ran.stderr[-2000:]}"
    return Cost(wall, cpu, peak_mb)


def calls_of(code: str, *arguments: object) -> int:
    """Return how many functions of Python and C are called while `code` runs, with `sys.argv`.

    In a process of its own. The number hardly changes from run to run, whatever else the machine
    does: a hundred thousand for a process of a tenth of a second.
    """
    ran = subprocess.run(
        [sys.executable, "-c", _COUNTER, code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=python_environment(),
    )
    assert not ran.returncode, ran.stderr[-2000:]
    return int(ran.stderr.splitlines()[-1])


_COUNTER = """\
import sys
calls = 0
def count(frame, event, argument):
    global calls
    calls += event == "call" or event == "c_call"
code = compile(sys.argv.pop(1), "code", "exec")
sys.setprofile(count)
try:
    exec(code, {})
except SystemExit as ended:
    sys.setprofile(None)
    assert not ended.code, ended.code
sys.setprofile(None)
print(calls, file=sys.stderr)
"""
