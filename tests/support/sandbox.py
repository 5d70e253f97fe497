"""A machine within this one: mounts and a network of its own, a read-only root, other users.

What systemd and Docker do for a service, by the same means of the kernel: `unshare`, bind mounts,
`setpriv`. Packages come from the environment of the tests: `pip install vecsim` finds a wheel made
of it, and its dependencies where they are.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path

import pytest

import vecsim

# $PYTHON: where Python is, often in a home, of which the machine shows nothing else. $PACKAGES: the
# dependencies of vecsim. $WHEELS: a folder with its wheel. $INDEXES: what /srv/indexes shows.
_SET_UP = """
set -eu
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir /opt/dependencies /opt/wheels /opt/python /opt/etc
mount --bind "$PACKAGES" /opt/dependencies
mount --bind "$WHEELS" /opt/wheels
mount --bind "$PYTHON" /opt/python
cp -a /etc/. /opt/etc
mount --bind /opt/etc /etc
mount -t tmpfs -o mode=755 tmpfs /srv
mkdir /srv/indexes
mount --bind "$INDEXES" /srv/indexes
mount -t tmpfs -o mode=755 tmpfs /mnt
mount -t tmpfs -o mode=755 tmpfs /var/cache
case $PYTHON in /root/*) mount -t tmpfs -o mode=755 tmpfs /root; mkdir -p "$PYTHON" ;; esac
mount --bind /opt/python "$PYTHON"
mount -t tmpfs -o mode=1777 tmpfs /tmp
"""


@dataclass
class Machine:
    """A running machine. `environment`: of everything that is run in it."""

    pid: int
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def _words(self, command: Sequence[str], user: int | None) -> list[str]:
        inside = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--wd=/", "--"]
        if user is not None:
            inside += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
            inside += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"]
        return [*inside, *command]

    def run(
        self, command: Sequence[str], *, user: int | None = None, said: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as root or as a user without any capability."""
        return subprocess.run(
            self._words(command, user),
            env=self.environment,
            input=said,
            capture_output=True,
            text=True,
            timeout=180,
        )

    def shell(self, script: str) -> str:
        """Run a script as root; return what it wrote. It must succeed."""
        ran = self.run(["bash", "-c", script])
        assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout + ran.stderr

    def start(self, command: Sequence[str], *, user: int) -> subprocess.Popen[str]:
        """Start a service, as a user without any capability."""
        process = subprocess.Popen(
            self._words(command, user),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def close_root(self) -> None:
        """Make all but temporary file systems read-only, and /opt too."""
        self.shell("mount -o remount,bind,ro / && mount -o remount,ro /opt")


@contextmanager
def machine(folder: Path, indexes: Path) -> Iterator[Machine]:
    """Run a machine whose /srv/indexes is `indexes`; `folder` is for files that it needs."""
    missing = [name for name in ("unshare", "nsenter", "setpriv", "ip") if not shutil.which(name)]
    if os.geteuid() or missing:
        pytest.skip("needs root" if os.geteuid() else f"there is no {', '.join(missing)}")
    environment = {
        "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "PYTHON": sys.base_prefix,
        "PACKAGES": site.getsitepackages()[0],
        "WHEELS": str(folder),
        "INDEXES": str(indexes),
        # pip takes its options from variables: the commands run as they are written.
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_FIND_LINKS": "/opt/wheels",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    make_wheel(folder)
    holder = subprocess.Popen(
        ["unshare", "--mount", "--net", "sh", "-c", f"{_SET_UP}\necho ready; exec sleep infinity"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Machine(holder.pid, environment)
    try:
        assert holder.stdout is not None
        said = holder.stdout.readline()
        if said != "ready\n":
            pytest.skip(f"no mounts can be made here: {said}{holder.stdout.read()}")
        yield running
    finally:
        for process in [*running.started, holder]:
            process.kill()
            process.communicate()


def make_wheel(folder: Path) -> None:
    """Write a wheel of this vecsim: its files, and the metadata of the installed package."""
    own = distribution("vecsim")
    info = f"vecsim-{own.version}.dist-info"
    package = Path(vecsim.__file__).parent
    files = {
        str(file.relative_to(package.parent)): file.read_bytes()
        for file in sorted(package.rglob("*"))
        if file.is_file() and file.suffix != ".pyc"
    }
    for name in ("METADATA", "entry_points.txt"):
        files[f"{info}/{name}"] = (own.read_text(name) or "").encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = f"{info}/RECORD"
    files[record] = "".join(f"{name},,\n" for name in [*files, record]).encode()
    with zipfile.ZipFile(folder / f"vecsim-{own.version}-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
