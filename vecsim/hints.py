"""What a user can do about an error, as data: each face has words of its own for it.

An error carries a `Hint`. `str(error)` appends the wording for users of the library, which is here;
`vecsim.cli.messages` names commands and options, `vecsim.web.problems` what a client can do.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from enum import StrEnum


class Action(StrEnum):
    """The kinds of advice. A new one needs a wording in each face; a test checks that."""

    REPAIR_INDEX = "repair-index"  # path
    VERIFY_INDEX = "verify-index"  # path
    RESTORE_OR_REPAIR = "restore-or-repair"  # path
    SET_ASIDE = "set-aside"  # path
    BUILD_INDEX = "build-index"  # path
    UPGRADE = "upgrade"
    WAIT_FOR_WRITER = "wait-for-writer"
    WAIT_LONGER = "wait-longer"
    CHOOSE_THRESHOLD = "choose-threshold"
    NAME_ENCODING = "name-encoding"  # encoding
    CHOOSE_DELIMITER = "choose-delimiter"
    QUERY_URL = "query-url"  # url
    UNSET_PROXY = "unset-proxy"
    NAME_HOST_OF_HEADER = "name-host-of-header"  # name
    CHOOSE_FORMAT = "choose-format"  # formats, extensions
    WRITE_TO_FILE = "write-to-file"
    MAKE_ROOM = "make-room"
    CHOOSE_PORT = "choose-port"
    SERVE_THIS_MACHINE = "serve-this-machine"
    ALLOW_PRIVATE = "allow-private"
    GIVE_SECOND_SET = "give-second-set"
    INDEX_VECTORS_SEPARATELY = "index-vectors-separately"
    REBUILD_WITH_MODEL = "rebuild-with-model"
    REBUILD_WITH_NEW_MODEL = "rebuild-with-new-model"  # path
    RESOLVE_DUPLICATE_ID = "resolve-duplicate-id"
    SKIP_UNKNOWN_IDS = "skip-unknown-ids"
    CHOOSE_ID_COLUMN = "choose-id-column"
    CHOOSE_URL_COLUMN = "choose-url-column"  # column
    LIST_GROUPS = "list-groups"
    LOWER_THRESHOLD = "lower-threshold"
    ALLOW_EMPTY_SOURCE = "allow-empty-source"
    SYNC_FIRST = "sync-first"  # path
    OVERWRITE_STORE = "overwrite-store"  # place, table
    FINISH_HANDOVER = "finish-handover"
    ALLOW_CHANGES = "allow-changes"
    RAISE_MAX_REMOVE = "raise-max-remove"  # share
    IMPORT_DECISIONS = "import-decisions"  # file
    NAME_INDEX_OF_QUERIES = "name-index-of-queries"
    GET_WEIGHTS = "get-weights"  # file, url, folder
    PASS_WEIGHTS = "pass-weights"
    USE_CPU = "use-cpu"
    SEARCH_ON_CPU = "search-on-cpu"
    INSTALL_OTHER_VERSION = "install-other-version"
    BUILD_FOR_OTHER_MODEL = "build-for-other-model"
    LIST_MODELS = "list-models"
    TRY_NETWORK = "try-network"
    PASS_MODEL = "pass-model"
    CHOOSE_CLUSTER = "choose-cluster"
    TRY_AGAIN = "try-again"
    WAIT_OR_GET_PERMISSION = "wait-or-get-permission"
    USE_LOCAL_DISK = "use-local-disk"  # variable
    COPY_INDEX = "copy-index"
    CLOSE_READERS = "close-readers"
    RESTORE_OR_REBUILD = "restore-or-rebuild"
    CHOOSE_PATH = "choose-path"
    CHOOSE_WRITABLE_FOLDER = "choose-writable-folder"
    RENAME_WEIGHTS = "rename-weights"
    DELETE_WEIGHTS = "delete-weights"
    CHOOSE_KERAS_FOLDER = "choose-keras-folder"
    REINSTALL = "reinstall"
    ADD_ORIENTATIONS = "add-orientations"  # path, setting


class Hint:
    """One piece of advice: an `Action` and the values that its wording needs, such as a path."""

    __slots__ = ("action", "values")

    def __init__(self, action: Action, **values: object) -> None:
        self.action = action
        self.values = {name: str(value) for name, value in values.items()}

    def __repr__(self) -> str:
        return f"Hint({self.action!r}, {self.values!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hint) and (self.action, self.values) == (
            other.action,
            other.values,
        )

    def phrase(self, wordings: Mapping[Action, str]) -> str:
        """Return the advice by its template in `wordings`, for `str.format`; "" if it has none."""
        values = {name: _Value(value) for name, value in self.values.items()}
        return wordings.get(self.action, "").format(**values)


class _Value(str):
    """A value of advice: `{name:shell}` quotes it as one word of a command line."""

    __slots__ = ()

    def __format__(self, spec: str, /) -> str:
        return shlex.quote(self) if spec == "shell" else super().__format__(spec)


COMMON_WORDINGS: Mapping[Action, str] = {
    Action.UPGRADE: "Upgrade with: pip install --upgrade vecsim",
    Action.INSTALL_OTHER_VERSION: (
        "Install the version of vecsim that the index was made with, or build a new index."
    ),
    Action.BUILD_FOR_OTHER_MODEL: (
        "An index keeps the model it was made with; build a new one for another model."
    ),
    Action.WAIT_OR_GET_PERMISSION: "Try again when that process has ended, or get permission to "
    "write to the folder.",
    Action.USE_LOCAL_DISK: "Keep indexes on a local disk. If only this machine ever uses this "
    "folder, set {variable}=allow.",
    Action.CLOSE_READERS: "Close what reads it, then repair it.",
    Action.RESTORE_OR_REBUILD: "Restore it from a backup and repair it again, or move the folder "
    "away and build the index again.",
    Action.CHOOSE_PATH: "Choose another path.",
    Action.CHOOSE_WRITABLE_FOLDER: "Choose a folder that you may write to.",
    Action.RENAME_WEIGHTS: "Choose another model or, if the name is wrong, rename the file.",
    Action.DELETE_WEIGHTS: "Delete it, and it is downloaded again.",
    Action.CHOOSE_KERAS_FOLDER: "KERAS_HOME=FOLDER names another one.",
    Action.REINSTALL: "Install vecsim again: pip install --force-reinstall vecsim",
}
"""Wordings that name no command, option, class or function: of the library and the command line."""

LIBRARY_WORDINGS: Mapping[Action, str] = {
    **COMMON_WORDINGS,
    Action.ADD_ORIENTATIONS: "Store them too: Index({path!r}).add([], orientations={setting!r}).",
    Action.REPAIR_INDEX: "Save what is sound with Index.repair().",
    Action.VERIFY_INDEX: "Index.verify() lists what is wrong.",
    Action.RESTORE_OR_REPAIR: "Restore it from a backup, or go on without it: Index.repair().",
    Action.SET_ASIDE: "Put a file of its own there, or set it aside with Index.repair().",
    Action.BUILD_INDEX: "Make one with Index.create().",
    Action.WAIT_FOR_WRITER: "Try again when it is done, or pass wait=True or wait=SECONDS.",
    Action.WAIT_LONGER: "Try again when it is done, or pass a longer wait=. If it hangs, end that "
    "process: what it committed is kept.",
    Action.CHOOSE_THRESHOLD: "Pass threshold=.",
    Action.NAME_ENCODING: 'Name the encoding of the file: SourceOptions(encoding="{encoding}").',
    Action.CHOOSE_DELIMITER: "Or name another delimiter: SourceOptions(delimiter=...).",
    Action.QUERY_URL: "Write it into a file, one URL a line below the heading url, or look for it "
    "in an index with Index.query().",
    Action.UNSET_PROXY: "Unset HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or use public_only=False.",
    Action.NAME_HOST_OF_HEADER: "Name the host that it is for: "
    "FetchOptions(host_headers={{'shop.example': {{'{name}': '…'}}}}).",
    Action.CHOOSE_FORMAT: "Use one of {extensions}, or choose the format: {formats}.",
    Action.WRITE_TO_FILE: "Write it to a file.",
    Action.MAKE_ROOM: "What was committed before is safe: make room, or give permission, and try "
    "again.",
    Action.SERVE_THIS_MACHINE: "Listen on 127.0.0.1, for no other host name.",
    Action.CHOOSE_PORT: "Pass another port, or 0 for any free port.",
    Action.ALLOW_PRIVATE: "Unset HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or use "
    "allow_private=True if clients may reach every address that the proxy reaches.",
    Action.GIVE_SECOND_SET: "Pass a second index, or the same one again.",
    Action.INDEX_VECTORS_SEPARATELY: "Make an index of these vectors with Index.from_vectors().",
    Action.REBUILD_WITH_MODEL: "Create one of them again with the other's model.",
    Action.REBUILD_WITH_NEW_MODEL: "Search it by id or vector and match it with itself, or build "
    "an index of the same images with the new model: Index.build_from(NEW, {path!r}).",
    Action.RESOLVE_DUPLICATE_ID: "Choose another id column, or pass on_duplicate='skip' or "
    "'replace'.",
    Action.SKIP_UNKNOWN_IDS: "Pass missing_ok=True to skip unknown ids.",
    Action.CHOOSE_ID_COLUMN: "Name it: SourceOptions(id_column=...).",
    Action.CHOOSE_URL_COLUMN: 'Name the column: SourceOptions(url_column="{column}").',
    Action.LIST_GROUPS: "Index.clusters() finds groups and the image of each to keep.",
    Action.LOWER_THRESHOLD: "If the list was made with a lower threshold, pass the same one; else "
    "set keep to yes for these images.",
    Action.ALLOW_EMPTY_SOURCE: "If it is meant to be empty, pass allow_empty=True.",
    Action.SYNC_FIRST: "Bring it up to date with Index.sync(), or pass since=.",
    Action.OVERWRITE_STORE: "If it can go, pass overwrite=True, or choose another table=.",
    Action.FINISH_HANDOVER: "Finish it with Index.export_to().",
    Action.ALLOW_CHANGES: "If the changes are meant, pass allow_changes=True.",
    Action.RAISE_MAX_REMOVE: "If the source is right, pass max_remove={share}.",
    Action.NAME_INDEX_OF_QUERIES: "If the first images of the pairs are of another index, pass it "
    "as queries=.",
    Action.IMPORT_DECISIONS: "Index.import_decisions() remembers what was decided about them.",
    Action.GET_WEIGHTS: (
        "Get {file} from {url} and put it into {folder}, or pass its path as weights=; or use the "
        "model 'bundled', which needs no download."
    ),
    Action.PASS_WEIGHTS: "Pass the weights file that the index was made with: weights=FILE.",
    Action.USE_CPU: "Use device='cpu'.",
    Action.SEARCH_ON_CPU: "Use the engine 'local'.",
    Action.LIST_MODELS: "vecsim.models.list_models() names the files of each model.",
    Action.TRY_NETWORK: "network=True does",
    Action.CHOOSE_CLUSTER: "Or name a cluster: EngineOptions(ray_address=...), as HOST:6379 or "
    "ray://HOST:10001.",
    Action.PASS_MODEL: "Pass the model itself: Index.open(path, model=...).",
    Action.TRY_AGAIN: "Try again later.",
    Action.COPY_INDEX: "Search it as it is, or copy it to a place where you may write.",
}
