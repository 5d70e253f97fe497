"""Files that are not text, called by their name."""

from __future__ import annotations

from vecsim.errors import InputError

_PICTURE = "To index pictures give their folder, or a list of their paths."
_UNPACK = "Unpack it first, or pipe it in: zcat list.csv.gz | vecsim add INDEX -"

_SIGNATURES = (
    (b"\x89PNG\r\n", "a PNG image", _PICTURE),
    (b"\xff\xd8\xff", "a JPEG image", _PICTURE),
    (b"GIF8", "a GIF image", _PICTURE),
    (b"RIFF", "a WebP image or another RIFF file", _PICTURE),
    (b"II*\0", "a TIFF image", _PICTURE),
    (b"MM\0*", "a TIFF image", _PICTURE),
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "Save the sheet as CSV and give that."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save the sheet as CSV and give that."),
    (b"PAR1", "a Parquet file", "Convert it to CSV and give that."),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV and give that."),
    (b"%PDF-", "a PDF document", "Give a CSV, JSON lines, or a folder of images."),
    (b"\x1f\x8b", "compressed with gzip", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ", "compressed with xz", _UNPACK),
)
_WEB_PAGE = (b"<!doctype html", b"<html")


def refuse_binary(label: str, head: bytes, *, wide: bool) -> None:
    """Raise `InputError` if `head` begins something else than text.

    `wide`: the encoding is one in which NUL bytes are usual.
    """
    for signature, name, advice in _SIGNATURES:
        if head.startswith(signature):
            raise InputError(f"{label} is {name}, not a list of images. {advice}")
    if head.lstrip()[:20].lower().startswith(_WEB_PAGE):
        raise InputError(
            f"{label} is a web page, not a list of images: was the download an error page?"
        )
    if wide or b"\0" not in head:
        return
    if head[1::2].count(0) > len(head) // 4 or head[::2].count(0) > len(head) // 4:
        which = "le" if head[1:2] == b"\0" else "be"
        raise InputError(f"{label} looks like UTF-16: say --encoding utf-16-{which}.")
    if _control_share(head) > 0.05:
        raise InputError(
            f"{label} is a binary file. Give a CSV, JSON lines, or a folder of images."
        )


def _control_share(head: bytes) -> float:
    """How much of `head` are control bytes that no text holds."""
    controls = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head)
    return controls / len(head)
