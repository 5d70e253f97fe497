"""The picture sets of `sources.toml`, and how their files are read out of git."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PICTURE = re.compile(r"\.(jpe?g|png|webp|bmp)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PictureSet:
    """One set of pictures: a public repository, the files of its tree that belong, a limit."""

    name: str
    repository: str
    role: str
    keep: str = ""
    most: int = 1_000_000


def load_sets(role: str) -> list[PictureSet]:
    """Return the sets of `sources.toml` with this role ("train" or "held"), in file order."""
    text = Path(__file__).with_name("sources.toml").read_text()
    sets = [PictureSet(**entry) for entry in tomllib.loads(text)["set"]]
    return [entry for entry in sets if entry.role == role]


def git_dir(clones: Path, entry: PictureSet) -> Path:
    """Find the set's clone, `OWNER+NAME` or `NAME` below `clones`, bare or not."""
    owner, name = entry.repository.split("/")
    for base in (clones / f"{owner}+{name}" / "repo", clones / f"{owner}+{name}", clones / name):
        for candidate in (base / ".git", base):
            if (candidate / "HEAD").exists():
                return candidate
    raise FileNotFoundError(f"no clone of {entry.repository} below {clones}")


def list_pictures(repository: Path, entry: PictureSet, distinct: bool = True) -> list[str]:
    """Return the paths of the set's pictures in the newest commit, sorted.

    With `distinct`, of several files with the same content only the first is kept.
    """
    command = ["git", "--git-dir", str(repository), "ls-tree", "-r", "-z", "HEAD"]
    listing = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    first: dict[str, str] = {}
    for line in filter(None, listing.split("\0")):
        meta, path = line.split("\t", 1)
        if PICTURE.search(path) and re.search(entry.keep, path):
            first.setdefault(meta.split()[2] if distinct else path, path)
    return sorted(first.values())


def read_blobs(repository: Path, paths: list[str]) -> Iterator[bytes]:
    """Yield the contents of the files at `paths`, in order, through one `git cat-file`.

    A file that the clone lacks (too large for a partial copy, say) is yielded as b"".
    """
    command = ["git", "--git-dir", str(repository), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("git cat-file has no pipes")
        for path in paths:
            process.stdin.write(f"HEAD:{path}\n".encode())
            process.stdin.flush()
            header = process.stdout.readline().split()
            if header[-1] == b"missing":
                yield b""
                continue
            yield process.stdout.read(int(header[-1]))
            process.stdout.read(1)
        process.stdin.close()
