"""The records that the layers of vecsim pass to each other, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vecsim import urls
from vecsim.source_notes import SourceNotes

Float32: TypeAlias = npt.NDArray[np.float32]
Float64: TypeAlias = npt.NDArray[np.float64]
Int64: TypeAlias = npt.NDArray[np.int64]
UInt8: TypeAlias = npt.NDArray[np.uint8]
Bool: TypeAlias = npt.NDArray[np.bool_]

UNIFORM_ENTROPY = 20
"""Thousandths of a bit up to which a picture is uniform: about 0.2 % of it differ from the rest.
Of 4,000 real pictures the smallest entropy is 342; a page with one letter has 49 or more."""


@dataclass(frozen=True, slots=True, init=False)
class ImageRef:
    """A reference to one image: its id and where its file is.

    `url` is an http(s) or `file:` URL or a path. `fields` are the other columns of its row.
    `location` says where the reference was read (`shop.csv line 7`), for error messages.
    `source`: the name of the source that lists it, if the index is to remember it.
    `credentials`: "name:password", taken out of the URL: used to fetch, never stored or shown.
    `client`: of the server, who asks for it; pictures of several clients take turns.
    `fetched`: the file of a picture in memory, which has no URL.

    >>> vecsim.ImageRef("4711", "https://shop.example/4711.jpg", {"title": "Cup"})
    ImageRef('4711', 'https://shop.example/4711.jpg', fields={'title': 'Cup'})
    """

    id: str
    url: str
    fields: Mapping[str, str]
    location: str
    source: str = field(compare=False)
    credentials: str = field(compare=False, repr=False)
    client: str = field(compare=False)
    fetched: Fetched | None = field(compare=False, repr=False)

    def __init__(
        self,
        id: str,
        url: str,
        fields: Mapping[str, str] | None = None,
        location: str = "",
        source: str = "",
        credentials: str = "",
        client: str = "",
        fetched: Fetched | None = None,
    ) -> None:
        """Take credentials out of `url`, and leave them out of `fields`.

        Written out because lists have millions of rows: a generated one takes 0.6 µs more.
        """
        if "@" in url:
            url, found = urls.split_credentials(url)
            credentials = found or credentials
        if fields is None:
            fields = {}
        elif fields and "@" in "".join(fields.values()):
            fields = urls.fields_without_credentials(fields)
        _set_id(self, id)
        _set_url(self, url)
        _set_fields(self, fields)
        _set_location(self, location)
        _set_source(self, source)
        _set_credentials(self, credentials)
        _set_client(self, client)
        _set_fetched(self, fetched)

    @classmethod
    def of_url(cls, url: str, client: str = "") -> ImageRef:
        """Make the reference of a URL that is its own id."""
        return cls(urls.without_credentials(url), url, client=client)

    def __repr__(self) -> str:
        more = [f"fields={dict(self.fields)!r}"] if self.fields else []
        return f"{type(self).__name__}({', '.join([repr(self.id), repr(self.url), *more])})"

    @property
    def address(self) -> str:
        """The URL with its credentials."""
        return urls.with_credentials(self.url, self.credentials)


(
    _set_id,
    _set_url,
    _set_fields,
    _set_location,
    _set_source,
    _set_credentials,
    _set_client,
    _set_fetched,
) = (ImageRef.__dict__[name].__set__ for name in ImageRef.__slots__)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class UnusableRef(ImageRef):
    """A row of a list that names no image that could be fetched: it becomes a failure.

    `kind`: see `errors.FailureKind`. `message`: what is wrong.
    """

    kind: str
    message: str

    def __init__(self, *args: Any, kind: str, message: str, **options: Any) -> None:
        """Take what an `ImageRef` takes, and what is wrong."""
        ImageRef.__init__(self, *args, **options)
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "message", message)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Where the bytes of an image came from and what they hold. Times are UTC, ISO 8601.

    `fetched_at`: when the bytes were fetched, or when a refresh last found them unchanged.
    `warnings`: warnings of the decoder about an image that it decoded, one a line.
    `entropy`: of the decoded picture, in thousandths of a bit; None where it was not measured.
    """

    final_url: str = ""
    http_status: int | None = None
    byte_count: int = 0
    sha256: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    fetched_at: str = ""
    etag: str | None = None
    last_modified: str | None = None
    warnings: str = ""
    entropy: int | None = None

    @property
    def is_uniform(self) -> bool:
        """Whether the picture is uniform, or nearly so; False where that was not measured."""
        return is_uniform(self.entropy)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes of an image file, and the facts known before they are decoded."""

    data: bytes
    facts: ImageFacts


@dataclass(frozen=True, slots=True)
class Decoded:
    """One picture ready for the model.

    `pixels`: uint8, (size, size, 3) or (size, size) for mode "L". `width`, `height`: of the whole
    picture as a person sees it (after EXIF orientation), in pixels. `format`: Pillow's name.
    `warnings`: warnings of the decoder, although it decoded. `thumbnail`: a small JPEG of
    the picture, empty where none was asked for. `entropy`: of `pixels`, in thousandths of a bit.
    """

    pixels: UInt8
    width: int
    height: int
    format: str
    warnings: tuple[str, ...] = ()
    thumbnail: bytes = b""
    entropy: int | None = None


def media_type(thumbnail: bytes) -> str:
    """Return the media type of a thumbnail: a JPEG, or a WebP as indexes had before."""
    return "image/jpeg" if thumbnail.startswith(b"\xff\xd8") else "image/webp"


def is_uniform(entropy: int | None) -> bool:
    """Tell whether a picture of this entropy is uniform or nearly so; not if it is unknown."""
    return entropy is not None and entropy <= UNIFORM_ENTROPY


@dataclass(frozen=True, slots=True)
class Failure:
    """One image that could not be loaded, and why (`kind`: see `errors.FailureKind`).

    >>> report = index.add(["Pictures/none.jpg"])
    >>> index.failures
    [<Failure 'Pictures/none.jpg': no-file: ...>]
    """

    ref: ImageRef
    kind: str
    message: str
    http_status: int | None = None
    final_url: str | None = None
    attempts: int = 1
    last_try: str = ""

    def __repr__(self) -> str:
        return f"<Failure {self.ref.id!r}: {self.kind}: {self.message}>"


@dataclass(frozen=True, slots=True)
class Embedded:
    """One image that became a vector: float32 (dim,), not yet of unit length.

    `thumbnail`: a small JPEG of the picture; empty where there is none. `turned`: vectors of the
    picture in other orientations, by their codes.

    >>> with vecsim.ImageEmbedder("phash") as embedder:
    ...     [image] = embedder.stream(["Pictures/1.jpg"])
    >>> image
    <Embedded 'Pictures/1.jpg': float32 (64,)>
    >>> image.facts.width, image.facts.height
    (860, 800)
    """

    ref: ImageRef
    facts: ImageFacts
    vector: Float32
    thumbnail: bytes = b""
    turned: Mapping[int, Float32] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Embedded {self.ref.id!r}: {self.vector.dtype} {self.vector.shape}>"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identifies the model of vectors. Vectors with different fingerprints are never compared.

    >>> shop.fingerprint.model, shop.fingerprint.dim
    ('phash', 64)
    """

    model: str
    weights_sha256: str
    preprocessing: str
    dim: int

    def __str__(self) -> str:
        weights = f"weights {self.weights_sha256[:12]}" if self.weights_sha256 else ""
        details = [f"{self.dim} dimensions", self.preprocessing, weights]
        return f"{self.model} ({', '.join(filter(None, details))})"


@dataclass(slots=True)
class AddReport:
    """What one `add`, `retry` or `refresh` did. All counts are images (rows of the source).

    `added`: new in the index. `skipped`: id and URL were known already. `replaced`: the id stood
    for another URL (`on_duplicate="replace"`) or, in a refresh, for other bytes. `failed`: recorded
    as failures. `reused`: of the added and replaced ones, how many had bytes already known, so that
    no embedding was computed (not counted in a refresh). `unchanged`: a refresh found them as they
    were. `moved`: a sync found the bytes of an image under another id or URL.
    `updated`: known images whose other fields were written anew. `warned`, `uniform`: of the added
    and replaced ones, how many the decoder warned about, and how many pictures are uniform.
    `turned`: known images that were stored in further orientations. `not_turned`: those that were
    to be, but could not be loaded again, or have other bytes now.
    `failures_by_host`: for each host (not files) its failures by reason: a kind, "http 404", or
    "not tried" once it was given up. `notes`: what was noticed while the sources were read.

    >>> index.add(["Pictures/1.jpg", "Pictures/none.jpg"])
    AddReport(added=1, failed=1, failures_by_kind={'no-file': 1})
    """

    added: int = 0
    skipped: int = 0
    replaced: int = 0
    failed: int = 0
    reused: int = 0
    failures_by_kind: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False
    unchanged: int = 0
    moved: int = 0
    updated: int = 0
    warned: int = 0
    uniform: int = 0
    turned: int = 0
    not_turned: int = 0
    failures_by_host: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: SourceNotes = field(default_factory=SourceNotes)

    def __repr__(self) -> str:
        """Return the counts that are not zero, `added` in any case."""
        shown = [(f.name, getattr(self, f.name)) for f in fields(self) if f.name != "notes"]
        # Kinds of failures are members of an enumeration, whose text is enough.
        texts = [(n, {str(k): v[k] for k in v} if isinstance(v, dict) else v) for n, v in shown]
        values = [f"{name}={value!r}" for name, value in texts if value or name == "added"]
        return f"{type(self).__name__}({', '.join(values)})"
