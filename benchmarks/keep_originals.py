"""How often `vecsim cluster` keeps the original of edited copies.

    python benchmarks/keep_originals.py [FOLDER...] [--count 300] [--model bundled]

Originals are photographs of `../shared/near-duplicates` and of the given folders; one without
camera data gets that of a camera, unless `--no-camera`. Of each, seven copies are made: PNG,
screenshot, grey, mirrored, shrunk, recompressed, through a messenger. Copies are younger than their
original, unless `--lost-times`. Prints, for groups with an original, how many keep it.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from _common import SHARED
from PIL import ExifTags, Image, ImageOps

from vecsim import Index
from vecsim.results import Cluster

Made = tuple[str, bytes]
"""The file name and the bytes of a copy."""

Kinds = dict[str, tuple[int, str]]
"""Number of the original and kind of each file, by path."""

FIRST_DAY = datetime(2016, 5, 1, 9)
SCREENS = ((1080, 1920), (1920, 1080), (1170, 2532), (2560, 1440))
SCREENSHOTS = ("Screenshot_20200301-101112.png", "Bildschirmfoto vom 1. Mai.png", "7.png")


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def perhaps_exif(image: Image.Image, chance: random.Random) -> dict[str, Any]:
    """Return the camera data of a picture half of the time, as an option of `encoded`."""
    return {"exif": image.info["exif"]} if "exif" in image.info and chance.random() < 0.5 else {}


def as_png(image: Image.Image, chance: random.Random) -> Made:
    """Convert to PNG."""
    return "converted.png", encoded(image, "PNG", **perhaps_exif(image, chance))


def screenshot(image: Image.Image, chance: random.Random) -> Made:
    """Show the picture on a screen, as large as it fits; named as systems do, or by a number."""
    screen = Image.new("RGB", chance.choice(SCREENS), (24, 24, 28))
    shown = ImageOps.contain(image.convert("RGB"), (screen.width, screen.height - 120))
    screen.paste(shown, ((screen.width - shown.width) // 2, 60))
    return chance.choice(SCREENSHOTS), encoded(screen, "PNG")


def grey(image: Image.Image, chance: random.Random) -> Made:
    """Take the colours away."""
    kept = perhaps_exif(image, chance)
    return "bw.jpg", encoded(image.convert("L"), "JPEG", quality=95, **kept)


def mirrored(image: Image.Image, chance: random.Random) -> Made:
    """Mirror the picture."""
    kept = perhaps_exif(image, chance)
    return "m.jpg", encoded(ImageOps.mirror(image), "JPEG", quality=97, **kept)


def shrunk(image: Image.Image, chance: random.Random) -> Made:
    """Halve both sides."""
    return "small.jpg", encoded(image.reduce(2), "JPEG", quality=90)


def recompressed(image: Image.Image, chance: random.Random) -> Made:
    """Save again, sometimes as a larger file."""
    quality = chance.choice([60, 80, 99])
    return "again.jpg", encoded(image, "JPEG", quality=quality, **perhaps_exif(image, chance))


def by_messenger(image: Image.Image, chance: random.Random) -> Made:
    """Send by a messenger: at most 1,600 pixels a side, JPEG 70, without camera data."""
    sent = image.copy()
    sent.thumbnail((1600, 1600))
    return f"IMG-20210101-WA{chance.randrange(10_000):04}.jpg", encoded(sent, "JPEG", quality=70)


COPIES: dict[str, Callable[[Image.Image, random.Random], Made]] = {
    "PNG": as_png,
    "screenshot": screenshot,
    "grey": grey,
    "mirrored": mirrored,
    "shrunk": shrunk,
    "recompressed": recompressed,
    "messenger": by_messenger,
}


def photographs(folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the JPEG files of all folders, those of the shared test data first."""
    for folder in (SHARED / "near-duplicates" / "imagededup" / "base_images", *folders):
        yield from sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))


def original_bytes(path: Path, taken: datetime, camera: bool) -> bytes | None:
    """Return a photograph with camera data, or without any; None for grey and tiny pictures."""
    data = path.read_bytes()
    image = Image.open(io.BytesIO(data))
    if image.mode != "RGB" or min(image.size) < 120:
        return None
    if bool(image.getexif().get(ExifTags.Base.Make)) == camera:
        return data
    exif = Image.Exif()
    if camera:
        exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "NIKON", "D70"
        details = exif.get_ifd(ExifTags.IFD.Exif)
        details[ExifTags.Base.DateTimeOriginal] = taken.strftime("%Y:%m:%d %H:%M:%S")
        details[ExifTags.Base.ExifImageWidth] = image.width
        details[ExifTags.Base.ExifImageHeight] = image.height
    return encoded(image, "JPEG", quality=95, exif=exif.tobytes())


def make_set(folder: Path, arguments: argparse.Namespace) -> Kinds:
    """Write originals and copies below `folder`."""
    chance = random.Random(arguments.seed)
    kinds: Kinds = {}

    def write(path: Path, data: bytes, when: datetime, number: int, kind: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        moment = FIRST_DAY.timestamp() if arguments.lost_times else when.timestamp()
        os.utime(path, (moment, moment))
        kinds[str(path)] = (number, kind)

    number = 0
    for source in photographs(arguments.folders):
        taken = FIRST_DAY + timedelta(days=number, minutes=number)
        data = original_bytes(source, taken, not arguments.no_camera)
        if data is None:
            continue
        write(folder / "camera" / f"DSC_{number:04}.JPG", data, taken, number, "original")
        image = Image.open(io.BytesIO(data))
        for kind, make in COPIES.items():
            name, copy = make(image, chance)
            later = taken + timedelta(days=chance.randrange(1, 900))
            write(folder / f"{number}" / name, copy, later, number, kind)
        number += 1
        if number == arguments.count:
            break
    return kinds


def report(groups: Sequence[Cluster], kinds: Kinds) -> None:
    """Print which kinds were kept, and whether originals were given up."""
    kept: Counter[str] = Counter()
    found: Counter[str] = Counter()
    given_up = 0
    for group in groups:
        members = [kinds[ref.url][1] for ref in group.members]
        found.update(members)
        if "original" in members:
            kept[members[0]] += 1
            keeps = zip(members, group.keep, strict=True)
            given_up += sum(kind == "original" and not keep for kind, keep in keeps)
    originals = sum(kind == "original" for _, kind in kinds.values())
    print(f"{originals} originals, {len(kinds)} files, {len(groups)} groups")
    total = kept.total()
    kept_original = kept.pop("original", 0)
    print(f"groups with an original: {total}; they keep an original: {kept_original / total:.1%}")
    print(f"originals given up: {given_up}; kept instead: {dict(kept) or 'nothing'}")
    print("copies in groups:", {kind: found[kind] for kind in COPIES})


def main() -> None:
    """Make the set, group it and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-camera", action="store_true", help="originals without camera data")
    parser.add_argument("--lost-times", action="store_true", help="all files of the same time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = make_set(folder / "pictures", arguments)
        with Index.create(folder / "index", arguments.model) as index:
            index.add(folder / "pictures")
            report(list(index.clusters(threshold=arguments.threshold)), kinds)


if __name__ == "__main__":
    main()
