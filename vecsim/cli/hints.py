"""What to do about an error, in the words of the command line."""

from __future__ import annotations

from collections.abc import Mapping

from vecsim.hints import Action

WORDINGS: Mapping[Action, str] = {
    Action.REPAIR_INDEX: "Save what is sound with: vecsim repair {path}",
    Action.VERIFY_INDEX: "List what is wrong with: vecsim verify {path}",
    Action.RESTORE_OR_REPAIR: "Restore it from a backup, or go on without it: vecsim repair {path}",
    Action.BUILD_INDEX: "Make one with: vecsim build-index {path} SOURCE",
    Action.UPGRADE: "Upgrade with: pip install --upgrade vecsim",
    Action.WAIT_FOR_WRITER: "Try again when it is done, or use --wait.",
    Action.CHOOSE_THRESHOLD: "Give one with --threshold.",
}
