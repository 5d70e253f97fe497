"""`vecsim doctor` on this machine, and with simulated problems."""

from __future__ import annotations

import json
import os
import resource
import socket
from importlib.metadata import version
from pathlib import Path

import pytest

broken = pytest.mark.usefixtures("broken_tensorflow")

TOPICS = [
    *("python", "faiss", "numkong", "litert", "pillow", "weights", "cache", "index folder"),
    *("free space", "write speed", "open files", "network", "environment", "tensorflow"),
]


@pytest.fixture(autouse=True)
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path_factory) -> Path:
    """A folder of empty caches."""
    folder = tmp_path_factory.mktemp("caches")
    monkeypatch.setenv("KERAS_HOME", str(folder / "keras"))
    monkeypatch.setenv("VECSIM_CACHE", str(folder / "cache"))
    return folder


@pytest.fixture
def broken_tensorflow(tmp_path_factory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TensorFlow that cannot be imported; importing the real one takes seconds."""
    package = tmp_path_factory.mktemp("broken") / "tensorflow"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('libcudart.so.99 is missing')")
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=os.pathsep)


@pytest.fixture
def doctor(process):
    """Run `vecsim doctor`; returns its findings by topic."""

    def run(*arguments: object, **options: object) -> dict[str, dict[str, str]]:
        ran = process("doctor", "--json", *arguments, **options)
        assert ran.status == 0, ran.err
        return {found["topic"]: found for found in json.loads(ran.out)}

    return run


@pytest.mark.ci
def test_the_machine_that_runs_the_tests_has_no_problem(doctor) -> None:
    found = doctor()

    assert list(found) == TOPICS
    for topic in ("faiss", "litert", "pillow", "tensorflow", "numkong"):
        assert found[topic]["status"] == "ok", found[topic]
    for topic, name in [("faiss", "faiss-cpu"), ("pillow", "pillow"), ("tensorflow", "tensorflow")]:
        assert found[topic]["text"].startswith(f"{name} {version(name)}")
    assert "AVIF" in found["pillow"]["text"]
    assert "MB/s; an fsync takes" in found["write speed"]["text"]
    assert "VECSIM_MODEL=phash" in found["environment"]["text"]
    assert list(Path().iterdir()) == []  # no file is left


@broken
def test_text_output_has_a_line_for_each_topic_and_advice(vecsim, monkeypatch) -> None:
    monkeypatch.setenv("VECSIM_MODLE", "phash")

    ran = vecsim("doctor")

    lines = ran.out.splitlines()
    assert [line.split(":")[0].split(maxsplit=1)[1] for line in lines if "->" not in line] == TOPICS
    at = next(n for n, line in enumerate(lines) if line.startswith("warning  environment:"))
    assert lines[at + 1].strip() == (
        "-> VECSIM_MODLE is read by no part of vecsim. Do you mean VECSIM_MODEL?"
    )
    assert "warning" in ran.err


@broken
def test_existing_weights_are_named(doctor, caches: Path) -> None:
    folder = caches / "keras" / "models"
    folder.mkdir(parents=True)
    (folder / "mobilenet_7_5_224_tf_no_top.h5").touch()

    assert doctor()["weights"]["text"] == f"mobilenet-0.75-224 in {folder}"


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no file system in memory here")
@broken
def test_a_folder_in_memory_is_a_warning(doctor) -> None:
    found = doctor("/dev/shm/not/made/yet")["index folder"]

    assert found["text"] == "/dev/shm/not/made/yet (to be made in /dev/shm) on tmpfs"
    assert "gone after a restart" in found["advice"]


@broken
def test_a_folder_that_cannot_be_written_is_a_warning(doctor) -> None:
    found = doctor("/proc/self")["write speed"]

    assert found["status"] == "warning"
    assert "cannot be written to" in found["text"]


@broken
@pytest.mark.ci
def test_few_open_files_are_a_warning(doctor) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def allow_few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))

    assert f"ulimit -n {hard}" in doctor(preexec_fn=allow_few)["open files"]["advice"]


@broken
def test_passwords_are_not_shown(doctor, monkeypatch) -> None:
    monkeypatch.setenv("https_proxy", "http://anna:geheim@proxy.example:3128")
    monkeypatch.setenv("VECSIM_MATCH_OUTPUT", "https://anna:geheim@host.example/")

    shown = json.dumps(doctor())

    assert "proxy.example:3128" in shown
    assert "geheim" not in shown


@broken
@pytest.mark.ci
def test_only_the_option_network_uses_the_network(doctor, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("https_proxy", asked)
        silent.settimeout(60)
        not_tried = doctor()["network"]
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()
    tried = doctor("--network")["network"]  # the proxy is gone, so that it fails at once

    assert (not_tried["status"], tried["status"]) == ("ok", "warning")
    assert "not tried (--network does)" in not_tried["text"]
    assert "cannot be downloaded from here" in tried["text"]


@broken
def test_a_tensorflow_that_cannot_be_imported_is_a_warning(doctor) -> None:
    found = doctor()["tensorflow"]

    assert found["status"] == "warning"
    assert found["text"] == "cannot be used: ImportError: libcudart.so.99 is missing"
    assert "pip install" in found["advice"]
