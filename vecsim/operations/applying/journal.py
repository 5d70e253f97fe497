"""The journal of `apply`: one JSON object a line, written and synced before and after each step."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from vecsim import files
from vecsim.errors import IndexLockedError, InputError
from vecsim.hints import Action, Hint
from vecsim.locking import portalocker
from vecsim.operations.applying.entries import Entry, FolderState

_LOCK = portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING
_NAME, _VERSION = "vecsim apply", 1

Claim = tuple[str, str]
"""That a source lists an image: the name of the source, and the URL there ("" for the stored one).
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one file: paths are absolute.

    `target`: where the file goes; empty for links and deletions. `aside`: a name beside `path` for
    the time of the change. `entry`: what was at `path`. `info`: the description of a file in the
    trash. `folders`: those that are made for `target`, outermost first.
    """

    number: int
    action: str
    id: str
    path: Path
    kept: Path
    sha256: str
    entry: Entry
    aside: Path
    target: Path | None = None
    info: Path | None = None
    folders: tuple[Path, ...] = ()

    @property
    def changed_folders(self) -> list[Path]:
        """The folders, there before the step, whose time it changes; not those of the trash."""
        if self.target is None or self.info is not None:
            return [self.path.parent]
        return [self.path.parent, self.folders[0].parent if self.folders else self.target.parent]

    def as_json(self) -> dict[str, Any]:
        """Return the event with which the step begins."""
        return {
            "event": "begin",
            "step": self.number,
            "action": self.action,
            "id": self.id,
            "path": str(self.path),
            "kept": str(self.kept),
            "sha256": self.sha256,
            "entry": self.entry.as_json(),
            "aside": str(self.aside),
            "target": str(self.target) if self.target else None,
            "info": str(self.info) if self.info else None,
            "folders": list(map(str, self.folders)),
        }

    @classmethod
    def from_json(cls, event: Mapping[str, Any]) -> Step:
        """Return the step that began with this event."""
        return cls(
            event["step"],
            event["action"],
            event["id"],
            Path(event["path"]),
            Path(event["kept"]),
            event["sha256"],
            Entry.from_json(event["entry"]),
            Path(event["aside"]),
            Path(event["target"]) if event["target"] else None,
            Path(event["info"]) if event["info"] else None,
            tuple(map(Path, event["folders"])),
        )


@dataclass(slots=True)
class Recorded:
    """A step as the journal has it: `state` is "begin", "done", "aborted" or "undone".

    `index`: the index of its image, made with `model`. `left`: the event with which the image left
    the index; `returned`: whether it is in the index again.
    """

    step: Step
    index: Path
    model: str
    state: str = "begin"
    left: Mapping[str, Any] | None = None
    returned: bool = False


class Journal:
    """The journal at `path`, open for appending; no other process can open it meanwhile."""

    def __init__(self, path: Path, *, create: bool) -> None:
        """Open or create the file. Raises `InputError` (no journal), `IndexLockedError` (in use),
        `StorageError`.
        """
        self.path = path
        self.steps: dict[int, Recorded] = {}
        # States of each folder since no step in it was done, and the steps in it that are.
        self._folders: dict[Path, list[FolderState]] = {}
        self._changes: Counter[Path] = Counter()
        self._noted: set[Path] = set()
        self._run: tuple[Path, str] = (Path(), "")
        if not create and not path.is_file():
            raise InputError(f"{path}: there is no such journal.")
        with files.storage_errors(path):
            is_new = not path.exists() or path.stat().st_size == 0
            self._file = path.open("a+b", buffering=0)
        try:
            self._lock()
            self._read()
            if is_new:
                self._append({"journal": _NAME, "version": _VERSION})
                with files.storage_errors(path):
                    files.sync(path.parent)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _lock(self) -> None:
        try:
            portalocker.lock(self._file, _LOCK)
        except portalocker.LockException as error:
            raise IndexLockedError(
                f"{self.path}: another process is using this journal.",
                hint=Hint(Action.TRY_AGAIN),
            ) from error

    def _read(self) -> None:
        """Read all events. A line that was cut off by a crash never had an effect: its step had
        not begun, or is found unfinished.
        """
        self._file.seek(0)
        lines = self._file.read().split(b"\n")
        events = list(_events(lines))
        if any(lines) and (not events or events[0].get("journal") != _NAME):
            raise InputError(f"{self.path}: this is not a journal of applied decisions.")
        if events and events[0]["version"] > _VERSION:
            raise InputError(f"{self.path}: a newer version of vecsim wrote this journal.")
        for event in events[1:]:
            self._note(event)
        if lines[-1]:
            self._file.write(b"\n")

    def _note(self, event: Mapping[str, Any]) -> None:
        kind = event.get("event")
        if kind == "run":
            self._run = (Path(event["index"]), event["model"])
        elif kind == "begin":
            recorded = Recorded(Step.from_json(event), *self._run)
            self.steps[event["step"]] = recorded
            self._changes.update(recorded.step.changed_folders)
        elif kind in ("done", "aborted", "undone"):
            self.steps[event["step"]].state = str(kind)
            if kind != "done":
                self._changes.subtract(self.steps[event["step"]].step.changed_folders)
        elif kind == "folder":
            self._note_folder(event)
        elif kind == "folder restored":
            self._folders.pop(Path(event["path"]), None)
        elif kind == "left":
            self.steps[event["step"]].left = event
        elif kind == "returned":
            self.steps[event["step"]].returned = True

    def _note_folder(self, event: Mapping[str, Any]) -> None:
        path = Path(event["path"])
        state = FolderState(path, event["modified"], event["accessed"], event["names"])
        if not self._changes[path]:
            self._folders.pop(path, None)
        self._folders.setdefault(path, []).append(state)

    def _append(self, *events: Mapping[str, Any]) -> None:
        text = "".join(json.dumps(event) + "\n" for event in events)
        with files.storage_errors(self.path):
            left = memoryview(text.encode("ascii"))
            while left:  # a full disk may take a part only, before it refuses the rest
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())

    def append(self, *events: Mapping[str, Any]) -> None:
        """Write events durably, and apply them to `steps`."""
        self._append(*events)
        for event in events:
            self._note(event)

    def start_run(self, index: Path, model: str, method: str) -> None:
        """Record that a run begins on the index at `index`, which was made with `model`."""
        event = {"event": "run", "index": str(index.absolute()), "model": model, "method": method}
        self.append(event)
        self._noted.clear()

    def begin(self, step: Step) -> Step:
        """Record that a step begins; returns it with its number."""
        numbered = replace(step, number=len(self.steps) + 1)
        new = set(step.changed_folders) - self._noted
        self._noted |= new
        self.append(*_folder_events(new), numbered.as_json())
        return numbered

    def restore_folders(self) -> None:
        """Give folders in which no step is done any more their times, if nothing else changed."""
        restored = [
            path
            for path, states in self._folders.items()
            if not self._changes[path] and any(state.restore() for state in states)
        ]
        if restored:
            self.append(*({"event": "folder restored", "path": str(p)} for p in restored))

    def end(self, step: Step, state: str, why: str = "") -> None:
        """Record that a step is "done", "aborted" or "undone"."""
        self.append({"event": state, "step": step.number, **({"why": why} if why else {})})

    def in_state(self, state: str) -> list[Recorded]:
        """Return the steps in a state, in the order in which they began."""
        return [recorded for recorded in self.steps.values() if recorded.state == state]


def _folder_events(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Yield an event for each folder as it is now."""
    for path in sorted(paths):
        with suppress(OSError):  # a folder that cannot be listed; its time is not restored
            state = FolderState.read(path)
            yield {
                "event": "folder",
                "path": str(path),
                "modified": state.modified,
                "accessed": state.accessed,
                "names": state.names,
            }


def _events(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
