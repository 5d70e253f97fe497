"""What a client of the server can do about an error.

Clients cannot use options of the command line, so where only the operator of the server can help,
the text says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from vecsim.errors import FailureKind
from vecsim.hints import Action

WORDINGS: Mapping[Action, str] = {
    # Most advice is for the operator. The client gets that of the error's class (problems.py).
    **dict.fromkeys(Action, ""),
    Action.REPAIR_INDEX: "Ask the operator of this server to repair the index.",
    Action.VERIFY_INDEX: "Ask the operator of this server to check the index.",
    Action.RESTORE_OR_REPAIR: "Ask the operator of this server to restore or repair the index.",
    Action.BUILD_INDEX: "Ask the operator of this server to build the index.",
    Action.UPGRADE: "Ask the operator of this server to upgrade vecsim.",
    Action.WAIT_FOR_WRITER: "Try again when it is done.",
    Action.CHOOSE_THRESHOLD: "Send a threshold.",
    Action.RESOLVE_DUPLICATE_ID: 'Choose another id, or send "on_duplicate": "skip" or "replace".',
    Action.SKIP_UNKNOWN_IDS: "List the ids with GET /api/v1/indexes/{{index}}/images.",
    Action.ALLOW_PRIVATE: "Ask the operator of this server to allow private addresses.",
}
"""The wording of each kind of advice, for `Hint.phrase`."""

FAILURE_ADVICE: Mapping[FailureKind, str] = {
    FailureKind.BAD_URL: "Send a URL that starts with http:// or https://.",
    FailureKind.DNS: "Check the host name.",
    FailureKind.CONNECT: "Try again later, or upload the picture as a file.",
    FailureKind.TLS: "Upload the picture as a file.",
    FailureKind.TIMEOUT: "Try again later, or upload the picture as a file.",
    FailureKind.HTTP: "Check the URL in a browser, or upload the picture as a file.",
    FailureKind.REDIRECT: "Send the URL to which it redirects.",
    FailureKind.FORBIDDEN_ADDRESS: "Upload the picture as a file. The operator of this server can "
    "allow private addresses.",
    FailureKind.TOO_LARGE: "Send a smaller picture.",
    FailureKind.UNSUPPORTED_FORMAT: "Save it as JPEG, PNG or WebP.",
}
"""What to do about a picture that could not be loaded, by the kind of failure."""

OTHER_FAILURE_ADVICE = "Choose another picture."
