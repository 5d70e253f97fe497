"""The service and the container of the page about operating a server run as they are written.

There is no systemd and no Docker in a test: `support.sandbox` does what the lines of both ask for.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from support.commands import run_here
from support.examples import PICTURES, ROOT, blocks
from support.sandbox import Machine, machine

PAGE = ROOT / "docs" / "how-to" / "operate.md"
TEXT = PAGE.read_text(encoding="utf-8")
TITLED = {block.title: block.text for block in blocks(PAGE) if block.title}
SHELL = re.findall(r"^    (\S.*(?:\n      .*)*)$", TEXT, re.MULTILINE)
"""The commands of the page that are indented, not fenced."""


def unit() -> configparser.ConfigParser:
    """The unit of the page; one value per name is enough for it."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(TITLED["vecsim.service"])
    return parser


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the index `shop`, which everyone may read."""
    folder = tmp_path_factory.mktemp("indexes")
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(PICTURES.parent)
        run_here("build-index", folder / "shop", "images", "--model", "phash", "--quiet")
    return folder


@pytest.fixture
def host(tmp_path: Path, indexes: Path) -> Iterator[Machine]:
    with machine(tmp_path, indexes) as running:
        yield running


def wait_until_ready(running: Machine, process: subprocess.Popen[str], port: int) -> None:
    """Wait until the server answers, by the kind of request that a monitor sends."""
    url = f"http://127.0.0.1:{port}/readyz"
    code = f"import urllib.request as r; print(r.urlopen({url!r}, timeout=10).status)"
    for _ in range(150):
        assert process.poll() is None, process.communicate()
        asked = running.run(["python3", "-c", code])
        if asked.stdout == "200\n":
            return
        time.sleep(0.2)
    pytest.fail(f"not ready: {asked.stderr}")


def end(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """End a service as systemd and Docker do; return the lines of its log."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    file = tmp_path / "vecsim.service"
    file.write_text(TITLED["vecsim.service"].replace("/opt/vecsim/bin/vecsim", "/bin/true"))
    checked = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, timeout=60
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=50", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert rated.returncode == 0, rated.stdout


@pytest.mark.ci
def test_the_service_runs_with_what_the_unit_allows(host: Machine) -> None:
    service = unit()["Service"]
    installs = [line for line in SHELL if line.startswith("python3 -m venv /opt/vecsim")]
    host.shell(installs[0].split("\n")[0])
    use_dependencies(host)
    assert service["ReadOnlyPaths"] == "/srv/indexes" and service["ProtectSystem"] == "strict"
    host.shell("mount -o remount,bind,ro /srv/indexes; mount -o remount,ro /srv")
    user = 61_500  # of those that DynamicUser= takes
    host.shell(f"mkdir /var/cache/{service['CacheDirectory']}")
    host.shell(f"chown {user}:{user} /var/cache/{service['CacheDirectory']}")
    host.close_root()
    name, _, value = service["Environment"].partition("=")
    # As a line of the file that EnvironmentFile= names.
    host.environment |= {name: value, "VECSIM_SERVE_PORT": "8480"}

    process = host.start(shlex.split(service["ExecStart"]), user=user)
    wait_until_ready(host, process, 8480)
    lines = end(process)
    assert any(line.get("target") == "/readyz" and line.get("status") == 200 for line in lines)
    touched = host.run(["touch", "/srv/indexes/shop/x", "/opt/x", "/etc/x", "/x"], user=user)
    assert touched.stderr.count("Read-only file system") + touched.stderr.count("denied") == 4
    assert int(service["TimeoutStopSec"]) > 30, "the server may take 30 s to stop"


@pytest.mark.ci
def test_the_container_runs_as_it_is_built(host: Machine, tmp_path: Path) -> None:
    parser = pytest.importorskip("dockerfile_parse")
    image = parser.DockerfileParser(
        fileobj=BytesIO(TITLED["Dockerfile"].encode()),
        parent_env={"PATH": f"/mnt/bin:{host.environment['PATH']}"},
    )
    steps = {step["instruction"]: step["value"] for step in image.structure}
    assert image.baseimage.startswith("python:3.")
    assert list(steps) == [
        *("FROM", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL"),
        *("HEALTHCHECK", "ENTRYPOINT", "CMD"),
    ]
    host.shell("mkdir /mnt/bin && ln -s $PYTHON/bin/python3 /mnt/bin/python")
    host.environment |= image.envs
    host.shell(steps["RUN"])
    use_dependencies(host)
    user = int(steps["USER"])
    assert host.shell("id -u vecsim") == f"{user}\n"
    host.environment |= {"VECSIM_TOKEN": host.shell("openssl rand -hex 16").strip()}
    host.shell("cp -r /srv/indexes /mnt/indexes; mount -o remount,bind,ro /srv/indexes")
    host.close_root()

    # /indexes cannot be made in the root of this machine: /srv/indexes stands for it.
    volume = steps["VOLUME"]
    served = [path.replace(volume, "/srv/indexes", 1) for path in json.loads(steps["CMD"])]
    process = host.start([*json.loads(steps["ENTRYPOINT"]), *served], user=user)
    wait_until_ready(host, process, int(steps["EXPOSE"]))
    check = json.loads(steps["HEALTHCHECK"].partition(" CMD ")[2])
    assert host.run(check, user=user).returncode == 0
    assert steps["STOPSIGNAL"] == "SIGTERM"
    assert end(process)
    assert host.run(check, user=user).returncode != 0

    # The last command of the page, which reads a list from standard input.
    host.shell(f"chown -R {user} /mnt/indexes")
    shutil.copy(PICTURES / "1.jpg", tmp_path)  # /opt/wheels shows this folder
    tmp_path.chmod(0o755)
    (last,) = (line for line in SHELL if "--entrypoint vecsim" in line)
    words = shlex.split(last.replace("\\\n", " ").partition(" < ")[0])
    assert "--interactive" in words
    given = words[words.index("--entrypoint") + 3 :]
    command = ["vecsim", *(word.replace(f"{volume}/", "/mnt/indexes/") for word in given)]
    ran = host.run(command, user=user, said="id,url\nnew,/opt/wheels/1.jpg\n")
    assert (ran.returncode, ran.stderr) == (0, "")
    info = host.run(["vecsim", "info", "/mnt/indexes/shop"], user=user).stdout
    assert re.search(r"^images: +7$", info, re.MULTILINE)


def use_dependencies(host: Machine) -> None:
    """Let the environment in /opt/vecsim import what the tests' environment has."""
    host.shell("echo /opt/dependencies > $(echo /opt/vecsim/lib/python3*/site-packages)/d.pth")
