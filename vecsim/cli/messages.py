"""Messages on standard error, the wording of advice about errors, exit statuses."""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING

from vecsim.cli.exit_status import ExitStatus
from vecsim.cli.logs import tell
from vecsim.cli.run_record import current_run
from vecsim.hints import COMMON_WORDINGS, Action
from vecsim.render.terminal import counted as counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vecsim.operations.placeholders import Placeholders
    from vecsim.records import Failure

SOME_FAILED, INTERRUPTED = ExitStatus.SOME_FAILED, ExitStatus.INTERRUPTED

LISTED = 10  # lines of a list among messages; more would hide the other messages

_REASONS = {
    ("pair", "missing"): "with an image that is not there any more",
    ("pair", "same file"): "of one file under two names",
    ("pair", "different"): "judged different",
    ("pair", "uniform"): "with a picture of one colour",
    ("image", "missing"): "not there any more",
    ("image", "same file"): "another name of the same file",
    ("image", "uniform"): "of one colour",
}


def quiet() -> bool:
    """Whether --quiet was given."""
    return current_run().settings.quiet


def without_progress() -> bool:
    """Whether no progress is shown: with --quiet, and where lines of the log take its place."""
    settings = current_run().settings
    return settings.quiet or settings.has_lines_on_terminal


def note(text: str) -> None:
    """Write a message to standard error, except with --quiet."""
    tell(text)


def warn(text: str) -> None:
    """Write a warning to standard error, --quiet or not."""
    tell(text, logging.WARNING)


def in_shell(value: object) -> str:
    """Return a path or name as one word of a command that can be copied into a shell."""
    return shlex.quote(str(value))


def failure_line(failure: Failure) -> str:
    """Return a line about an image that could not be loaded: its URL or id, and why."""
    name = failure.ref.url or failure.ref.id
    return f"{name}: {failure.kind}: {failure.message.removeprefix(f'{name}: ')}"


def write_first(lines: Sequence[str]) -> None:
    """Write the first ten lines to standard error, --quiet or not, and how many there are more."""
    for line in lines[:LISTED]:
        warn(line)
    if len(lines) > LISTED:
        warn(f"… and {len(lines) - LISTED:,} more.")


def note_hidden(hidden: Mapping[str, int], what: str) -> None:
    """Write how many pairs or images were left out, and why; nothing if none was.

    `hidden`: counts by reason: see `vecsim.operations.hiding`. `what`: "pair" or "image".
    """
    if not hidden:
        return
    reasons = [f"{count:,} {_REASONS[what, reason]}" for reason, count in sorted(hidden.items())]
    total = counted(sum(hidden.values()), what)
    note(f"{total} left out: {', '.join(reasons)}. --show-all shows them.")


def note_left_out(left_out: Placeholders, least: int | None) -> None:
    """Write how many placeholders a search leaves out: pictures that `least` images share."""
    if least is None:
        return
    if not left_out.images:
        note(f"No picture is shared by {least:,} or more images: none was left out.")
        return
    pictures = counted(left_out.pictures, "picture")
    note(f"{counted(left_out.images, 'image')} left out: {pictures} shared by {least:,} or more.")


WORDINGS: Mapping[Action, str] = {
    **COMMON_WORDINGS,
    Action.REPAIR_INDEX: "Save what is sound with: vecsim repair {path:shell}",
    Action.VERIFY_INDEX: "List what is wrong with: vecsim verify {path:shell}",
    Action.RESTORE_OR_REPAIR: "Restore it from a backup, or go on without it: "
    "vecsim repair {path:shell}",
    Action.SET_ASIDE: "Put a file of its own there, or set it aside with: "
    "vecsim repair {path:shell}",
    Action.BUILD_INDEX: "Make one with: vecsim build-index {path:shell} SOURCE",
    Action.WAIT_FOR_WRITER: "Try again when it is done, or use --wait or --lock-wait SECONDS.",
    Action.WAIT_LONGER: "Try again when it is done, or use a longer --lock-wait. If it hangs, end "
    "that process: what it committed is kept.",
    Action.CHOOSE_THRESHOLD: "Give one with --threshold.",
    Action.NAME_ENCODING: "Name the encoding of the file: --encoding {encoding:shell}",
    Action.CHOOSE_DELIMITER: "Or name another delimiter with --delimiter.",
    Action.QUERY_URL: "Write it into a file, one URL a line below the heading url, or look for it "
    "in an index with: vecsim query INDEX --url {url:shell}",
    Action.UNSET_PROXY: "Unset HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or leave out --public-only.",
    Action.NAME_HOST_OF_HEADER: "Name the host that it is for: "
    "--header-for shop.example '{name}: …'",
    Action.CHOOSE_FORMAT: "Use one of {extensions}, or choose one with --format {formats}.",
    Action.WRITE_TO_FILE: "Name a file with --output, or redirect standard output.",
    Action.MAKE_ROOM: "What was committed before is safe: make room, or give permission, and run "
    "the same command again.",
    Action.SERVE_THIS_MACHINE: "Use --allow-files without --host, --allow-host and proxies.",
    Action.CHOOSE_PORT: "Choose another --port, or --port 0 for any free port.",
    Action.ALLOW_PRIVATE: "Unset HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or use --allow-private if "
    "clients may reach every address that the proxy reaches.",
    Action.ADD_ORIENTATIONS: "Store them too: vecsim add {path:shell} "
    "--orientations {setting:shell}",
    Action.GIVE_SECOND_SET: "Give a second set, or the same one again; or leave out --best-only.",
    Action.INDEX_VECTORS_SEPARATELY: "Import these vectors into another index.",
    Action.REBUILD_WITH_MODEL: "Build one of them again with the other's model (--model).",
    Action.REBUILD_WITH_NEW_MODEL: "Search it by id and match it with itself, or build an index of "
    "the same images with the new model: vecsim build-index NEW --from {path:shell}",
    Action.RESOLVE_DUPLICATE_ID: "Choose another --id-column, or --on-duplicate skip or replace.",
    Action.SKIP_UNKNOWN_IDS: "Use --missing-ok to skip unknown ids.",
    Action.CHOOSE_ID_COLUMN: "Name it with --id-column.",
    Action.CHOOSE_URL_COLUMN: "Name the column: --url-column {column:shell}",
    Action.LIST_GROUPS: "Make a list of groups with: vecsim cluster INDEX --output groups.csv",
    Action.LOWER_THRESHOLD: "If the list was made with a lower --threshold, give the same one; "
    "else set keep to yes for these images.",
    Action.ALLOW_EMPTY_SOURCE: "If it is meant to be empty, use --allow-empty.",
    Action.SYNC_FIRST: "Bring it up to date with: vecsim sync {path:shell} SOURCE, or use --since.",
    Action.OVERWRITE_STORE: "If it can go, use --overwrite, or choose another --table.",
    Action.FINISH_HANDOVER: "Finish it with: vecsim export",
    Action.ALLOW_CHANGES: "If the changes are meant, use --allow-changes.",
    Action.RAISE_MAX_REMOVE: "If the source is right, use --max-remove {share}.",
    Action.NAME_INDEX_OF_QUERIES: "If the first images of the pairs are of another index, name it "
    "with --queries.",
    Action.IMPORT_DECISIONS: "Remember what was decided about them with: "
    "vecsim decisions INDEX --import {file:shell}",
    Action.GET_WEIGHTS: (
        "Get {file} from {url} and put it into {folder}, or pass it with --weights FILE; or use "
        "--model bundled, which needs no download."
    ),
    Action.PASS_WEIGHTS: "Pass the weights file that the index was made with: --weights FILE.",
    Action.USE_CPU: "Use --device cpu.",
    Action.SEARCH_ON_CPU: "Use --engine local.",
    Action.LIST_MODELS: "`vecsim models` names the files of each model.",
    Action.TRY_NETWORK: "--network does",
    Action.CHOOSE_CLUSTER: "Or name a cluster: --ray-address HOST:6379 or ray://HOST:10001.",
    Action.PASS_MODEL: "Search it by id, or install the package that brings the model.",
    Action.TRY_AGAIN: "Run the same command again later.",
    Action.COPY_INDEX: "Query it as it is, or copy it to a place where you may write.",
}
"""The wording of each kind of advice on the command line, for `Hint.phrase`."""
