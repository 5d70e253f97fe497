"""Completion: the scripts, and the values that bash offers when Tab is pressed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vecsim.models import list_models

HEAVY = {"faiss", "tensorflow", "keras", "ai_edge_litert", "PIL", "requests", "rich", "h5py"}
BASH = shutil.which("bash")

_ASK = """
set -eu
eval "$(vecsim completion bash 2>/dev/null)"
compopt() { :; }  # it works only in an interactive shell
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMPREPLY=()
_vecsim_completion vecsim "${COMP_WORDS[$COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def tab(workplace: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what bash offers for `vecsim WORDS` when Tab is pressed after the last word."""
    if BASH is None:
        pytest.skip("no bash here")
    programs = workplace / "programs"
    programs.mkdir()
    program = programs / "vecsim"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vecsim "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")

    def ask(*words: str) -> list[str]:
        command = [BASH, "--norc", "-c", _ASK, "bash", "vecsim", *words]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert ran.stderr == ""
        return ran.stdout.split()

    return ask


def test_bash_completes_commands_options_and_choices(tab) -> None:
    assert tab("ma") == ["match"]
    assert tab("match", "--best") == ["--best-only"]
    assert tab("build-index", "new", "list.csv", "--device", "") == ["auto", "cpu", "gpu"]


def test_bash_completes_models(tab) -> None:
    assert tab("demo", "--model", "mobilenet-0.25-1") == [
        model.name for model in list_models() if model.name.startswith("mobilenet-0.25-1")
    ]


def test_bash_completes_indexes(tab, index: Path) -> None:
    shutil.copytree(index, "indexes/shop")
    Path("indexes/something-else").mkdir()

    assert tab("info", "") == ["six", "indexes/shop"]
    assert tab("query", "indexes/s") == ["indexes/shop"]
    assert tab("info", "no") == []  # bash itself then offers folders


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_goes_to_standard_output_and_instructions_to_standard_error(
    shell: str, vecsim
) -> None:
    ran = vecsim("completion", shell)

    assert ran.status == 0
    assert "_VECSIM_COMPLETE" in ran.out
    assert ran.err.startswith(f"Install it with: vecsim completion {shell} > ~/")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_an_installed_shell_can_parse_its_script(shell: str, vecsim) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    Path("script").write_text(vecsim("completion", shell).out)

    subprocess.run([program, "-n", "script"], check=True)


@pytest.mark.parametrize("words", ["vecsim ma", "vecsim info ", "vecsim demo --model mobile"])
def test_completion_imports_no_large_library(words: str, monkeypatch) -> None:
    monkeypatch.setenv("_VECSIM_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))

    command = [sys.executable, "-X", "importtime", "-m", "vecsim"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "click" in imported
    assert imported.isdisjoint(HEAVY)
