"""What a user is told about sources: what was noticed in them, why all of a run may have failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vecsim.cli.messages import counted, note, warn

if TYPE_CHECKING:
    from vecsim.records import AddReport
    from vecsim.source_notes import SourceNotes

_SHOWN_SUFFIXES = 4
_FEW = 2
"""So few failures have no common cause."""

_CAUSES = {
    "no-file": "None of the files is there. Relative paths begin at the folder of the list: is the "
    "list where it belongs, and is --url-column the right column?",
    "bad-url": "No row has an address that can be fetched: is --url-column the right column?",
    "bad-row": "No row can be read: check --delimiter and --quoting.",
    "dns": "No host name was found: is there a network connection, or does it need HTTPS_PROXY?",
    "connect": "No host could be reached: is there a network connection, or does it need "
    "HTTPS_PROXY?",
    "tls": "No certificate was trusted: does a proxy replace certificates? REQUESTS_CA_BUNDLE "
    "names a file with its own.",
    "timeout": "No host answered in time: fewer --workers or a longer --timeout may help.",
    "not-an-image": "No address leads to an image; perhaps to web pages: is --url-column the right "
    "column, or do the images need --header or --user-agent?",
    "unsupported-format": "All files are of a format that is not decoded: see `vecsim doctor`.",
    "forbidden-address": "All addresses are private ones, which --public-only refuses.",
    "http 401": "Every request was refused (401): the images need a log-in, such as --header.",
    "http 403": "Every request was refused (403): perhaps the server wants another --user-agent or "
    "--header, or fewer requests (--rate-per-host).",
    "http 404": "No address exists (404): is --url-column the right column, and the list recent?",
    "http 429": "The server asks for fewer requests (429): use --rate-per-host.",
}
"""What probably is wrong if all images of a run failed alike."""


def note_sources(notes: SourceNotes) -> None:
    """Write what was noticed while sources were read."""
    for text in notes.remarks:
        note(text)
    if notes.repaired:
        kinds = ", ".join(f"{what} ({n:,})" for what, n in notes.repaired.most_common())
        note(f"{counted(sum(notes.repaired.values()), 'cell')} repaired: {kinds}.")
    if notes.several:
        cells = "1 cell holds" if notes.several == 1 else f"{notes.several:,} cells hold"
        note(f"{cells} several addresses: --split-cells takes each.")
    if notes.passed_over:
        kinds = ", ".join(
            f"{n:,} {what}{_suffixes(notes) if 'suffix' in what else ''}"
            for what, n in notes.passed_over.most_common()
        )
        hint = ""
        if any("suffix" in what for what in notes.passed_over):
            hint = " --all-files takes pictures whatever their name."
        note(f"Passed over: {kinds}.{hint}")
    for folder in notes.unreadable:
        warn(f"Warning: cannot read the folder {folder}.")


def _suffixes(notes: SourceNotes) -> str:
    """Return the most frequent suffixes of passed over files, in brackets; empty without any."""
    shown = [f"{n:,} {suffix}" for suffix, n in notes.suffixes.most_common()]
    more = ["…"] if len(shown) > _SHOWN_SUFFIXES else []
    return f" ({', '.join(shown[:_SHOWN_SUFFIXES] + more)})" if shown else ""


def probable_cause(report: AddReport) -> str:
    """Return the probable cause if nothing was added and all images failed alike; else empty."""
    done = report.added + report.replaced + report.unchanged + report.moved
    kinds = [kind for kind, count in report.failures_by_kind.items() if count]
    if done or report.failed < _FEW or len(kinds) != 1:
        return ""
    (kind,) = kinds
    if kind == "http":
        reasons = {reason for host in report.failures_by_host.values() for reason in host}
        kind = reasons.pop() if len(reasons) == 1 else kind
    return _CAUSES.get(kind, "")
