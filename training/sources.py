"""The picture sets of `sources.toml`, and how their files are read out of git."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PICTURE = re.compile(r"\.(jpe?g|png|webp|bmp)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PictureSet:
    """One set of pictures: a public repository and the part of its tree that counts."""

    name: str
    repository: str
    role: str
    keep: str = ""


def load_sets(role: str) -> list[PictureSet]:
    """The sets of `sources.toml` with this role ("train" or "held"), in file order."""
    text = Path(__file__).with_name("sources.toml").read_text()
    sets = [PictureSet(**entry) for entry in tomllib.loads(text)["set"]]
    return [entry for entry in sets if entry.role == role]


def git_dir(clones: Path, entry: PictureSet) -> Path:
    """The git directory of the set's clone: `OWNER+NAME` or `NAME`, bare or not, below `clones`."""
    owner, name = entry.repository.split("/")
    for base in (clones / f"{owner}+{name}" / "repo", clones / f"{owner}+{name}", clones / name):
        for candidate in (base / ".git", base):
            if (candidate / "HEAD").exists():
                return candidate
    raise FileNotFoundError(f"no clone of {entry.repository} below {clones}")


def list_pictures(repository: Path, entry: PictureSet) -> list[str]:
    """Paths of the set's pictures in the newest commit, sorted."""
    command = ["git", "--git-dir", str(repository), "ls-tree", "-r", "-z", "--name-only", "HEAD"]
    listing = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    paths = [path for path in listing.split("\0") if PICTURE.search(path)]
    return sorted(path for path in paths if re.search(entry.keep, path))


def read_blobs(repository: Path, paths: list[str]) -> Iterator[bytes]:
    """The files' contents, in order, through one `git cat-file`."""
    command = ["git", "--git-dir", str(repository), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        for path in paths:
            process.stdin.write(f"HEAD:{path}\n".encode())
            process.stdin.flush()
            size = int(process.stdout.readline().split()[-1])
            yield process.stdout.read(size)
            process.stdout.read(1)
        process.stdin.close()
