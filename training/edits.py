"""Random edits for training: what happens to a picture between its original and a copy.

All on uint8 arrays with OpenCV, under a millisecond a picture.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Random = np.random.Generator

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%&.-    "))


def clean(picture: Picture, size: int) -> Picture:
    """The unedited picture at the network's size."""
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def random_colour(random: Random) -> tuple[int, int, int]:
    """Often black, white or grey, else any colour."""
    kind = random.random()
    if kind < 0.3:
        return (255, 255, 255)
    if kind < 0.5:
        return (0, 0, 0)
    if kind < 0.6:
        grey = int(random.integers(256))
        return (grey, grey, grey)
    red, green, blue = random.integers(256, size=3)
    return (int(red), int(green), int(blue))


def placement(random: Random, aspect: float, strong: float) -> tuple[NDArray[np.float64], bool]:
    """A 2x3 map from the edited square to the original square (both 0..1), and "has a border".

    Crop, border, rotation in the picture's true proportions, and changed aspect ratio, which a
    squash to a square undoes but for what crop and border leave of it.
    """
    left = top = 0.0
    width = height = 1.0
    angle, bordered = 0.0, False
    if random.random() < 0.45:  # crop
        width = 1.0 - random.random() * 0.45 * strong
        height = 1.0 - random.random() * 0.45 * strong
        if random.random() < 0.4:
            height = width
        left = random.random() * (1.0 - width)
        top = random.random() * (1.0 - height)
    if random.random() < 0.25:  # border: padding to a square, bars, or a frame
        kind = random.random()
        if kind < 0.4:
            frame = random.random() * 0.3 * strong
            left, top = left - width * frame / 2, top - height * frame / 2
            width, height = width * (1 + frame), height * (1 + frame)
        elif (kind < 0.7 and aspect != 1.0) or aspect > 1.15 or aspect < 0.87:
            shape = min(max(aspect * width / height, 0.5), 2.0)
            if shape > 1.0:
                top, height = top - height * (shape - 1) / 2, height * shape
            else:
                left, width = left - width * (1 / shape - 1) / 2, width / shape
        else:
            bar = random.random() * 0.35 * strong
            if random.random() < 0.5:
                top, height = top - height * bar * random.random(), height * (1 + bar)
            else:
                left, width = left - width * bar * random.random(), width * (1 + bar)
        bordered = True
    if random.random() < 0.25:
        angle = math.radians(random.normal() * 6.0 * strong)
        bordered = True
        if random.random() < 0.5:  # a rotated picture cut to what it fills
            trim = abs(math.sin(angle)) * 0.8
            left, top = left + width * trim / 2, top + height * trim / 2
            width, height = width * (1 - trim), height * (1 - trim)
        elif random.random() < 0.5:  # a canvas grown to hold the rotated picture
            grow = abs(math.sin(angle)) * 0.9
            left, top = left - width * grow / 2, top - height * grow / 2
            width, height = width * (1 + grow), height * (1 + grow)
    shape = math.sqrt(aspect)
    cos, sin = math.cos(angle), math.sin(angle)
    # edited square -> crop window, centred, in true proportions -> rotated -> original square
    window = np.array([[width * shape, 0.0], [0.0, height / shape]])
    turn = np.array([[cos, -sin], [sin, cos]])
    matrix = np.diag([1 / shape, shape]) @ turn @ window
    centre = np.array([left + width / 2, top + height / 2])
    offset = centre - matrix @ np.array([0.5, 0.5])
    return np.column_stack([matrix, offset]), bordered


def place(picture: Picture, random: Random, size: int, aspect: float, strong: float) -> Picture:
    """Crop, border, rotate and stretch into a square of `size`."""
    matrix, bordered = placement(random, aspect, strong)
    source = picture.shape[0]
    # pixel centres: edited (i + 0.5) / size -> original x * source - 0.5
    pixel = matrix * np.array([[source / size, source / size, source]])
    pixel[:, 2] += (matrix[:, :2].sum(axis=1) * 0.5) * (source / size) - 0.5
    mode = cv2.BORDER_CONSTANT
    if not bordered or random.random() < 0.2:
        mode = cv2.BORDER_REPLICATE
    zoom = source / size * math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if zoom > 1.1:  # antialias before sampling
        picture = cv2.GaussianBlur(picture, (0, 0), 0.35 * zoom)
    return cv2.warpAffine(
        picture,
        pixel,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=mode,
        borderValue=random_colour(random),
    )


def recolour(picture: Picture, random: Random, strong: float) -> Picture:
    """Brightness, contrast, gamma, saturation, colour cast, grayscale or sepia."""
    x = picture.astype(np.float32)
    if random.random() < 0.3:
        kind = random.random()
        grey = x @ np.array([0.299, 0.587, 0.114], np.float32)
        if kind < 0.6:
            x = np.repeat(grey[:, :, None], 3, axis=2)
        elif kind < 0.7:
            x = grey[:, :, None] * np.array([1.07, 0.95, 0.75], np.float32)
        else:
            amount = np.float32(1.0 + random.normal() * 0.5 * strong)
            x = grey[:, :, None] + (x - grey[:, :, None]) * amount
    if random.random() < 0.5:
        x = x * np.float32(math.exp(random.normal() * 0.25 * strong))
    if random.random() < 0.4:
        mean = x.mean()
        x = mean + (x - mean) * np.float32(math.exp(random.normal() * 0.25 * strong))
    if random.random() < 0.3:
        x = x + random.normal(size=3).astype(np.float32) * np.float32(14.0 * strong)
    x = np.clip(x, 0.0, 255.0)
    if random.random() < 0.3:
        gamma = math.exp(random.normal() * 0.3 * strong)
        x = 255.0 * (x / 255.0) ** np.float32(gamma)
    return x.astype(np.uint8)


def draw_text(picture: Picture, random: Random, strong: float) -> None:
    """Write one or several lines over the picture, opaque or translucent, maybe on a band."""
    size = picture.shape[0]
    layer = picture.copy()
    scale = size / 128 * (0.25 + random.random() * 0.9 * strong)
    thickness = 1 + int(scale * random.random() * 2.5)
    text = "".join(random.choice(LETTERS, int(random.integers(3, 18))))
    colour = random_colour(random)
    font = int(random.choice(FONTS))
    (width, height), _ = cv2.getTextSize(text, font, scale, thickness)
    x = int(random.integers(-size // 8, max(size - width, 1) + size // 8))
    y = int(random.integers(height, size + 1))
    if random.random() < 0.3:
        pad = int(height * random.random())
        band = (0, size) if random.random() < 0.5 else (x - pad, x + width + pad)
        top, bottom = (band[0], y - height - pad), (band[1], y + pad)
        cv2.rectangle(layer, top, bottom, random_colour(random), -1)
    lines = int(random.integers(1, 4)) if random.random() < 0.3 else 1
    for line in range(lines):
        at = (x, y + int(line * height * 1.5))
        cv2.putText(layer, text, at, font, scale, colour, thickness, cv2.LINE_AA)
    opacity = 1.0 if random.random() < 0.5 else 0.25 + 0.6 * random.random()
    cv2.addWeighted(layer, opacity, picture, 1.0 - opacity, 0.0, dst=picture)


def draw_logo(picture: Picture, random: Random, strong: float, other: Picture) -> None:
    """Put a small picture, a disc or a box somewhere, more often near a corner."""
    size = picture.shape[0]
    width = max(6, int(size * (0.08 + 0.27 * random.random() * strong)))
    height = max(6, int(width * (0.5 + random.random())))
    place_at = random.random(2)
    if random.random() < 0.6:
        place_at = np.round(place_at) * 0.96 + 0.02
    sides = zip(place_at, (width, height), strict=True)
    x, y = (int(at * max(size - side, 1)) for at, side in sides)
    region = picture[y : y + height, x : x + width]
    layer = region.copy()
    kind = random.random()
    if kind < 0.4:
        layer = cv2.resize(other, region.shape[1::-1], interpolation=cv2.INTER_AREA)
    elif kind < 0.7:
        centre = (layer.shape[1] // 2, layer.shape[0] // 2)
        cv2.circle(layer, centre, min(centre), random_colour(random), -1, cv2.LINE_AA)
    else:
        layer[:] = random_colour(random)
    opacity = 1.0 if random.random() < 0.6 else 0.3 + 0.6 * random.random()
    cv2.addWeighted(layer, opacity, region, 1.0 - opacity, 0.0, dst=region)


def degrade(picture: Picture, random: Random, strong: float) -> Picture:
    """Blur, sharpen, noise, rescaling down and up, JPEG or WebP compression."""
    size = picture.shape[0]
    if random.random() < 0.25:
        kind = random.random()
        if kind < 0.7:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.3 + random.random() * 1.7 * strong)
        else:
            soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
            amount = random.random() * 1.5 * strong
            picture = cv2.addWeighted(picture, 1.0 + amount, soft, -amount, 0.0)
    if random.random() < 0.12:
        noise = random.normal(0.0, 2.0 + 14.0 * random.random() * strong, picture.shape)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if random.random() < 0.3:
        small = int(size / (1.0 + random.random() * 3.0 * strong))
        down = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_NEAREST)[
            random.choice(3, p=[0.7, 0.2, 0.1])
        ]
        up = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[
            random.choice(3, p=[0.6, 0.3, 0.1])
        ]
        picture = cv2.resize(picture, (small, small), interpolation=down)
        picture = cv2.resize(picture, (size, size), interpolation=up)
    if random.random() < 0.5:
        quality = int(10 + 80 * random.random() ** (0.5 + strong))
        kind, flag = (".jpg", cv2.IMWRITE_JPEG_QUALITY)
        encoded = cv2.imencode(kind, picture, [flag, quality])[1]
        picture = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return picture


def edit(picture: Picture, other: Picture, aspect: float, size: int, random: Random) -> Picture:
    """A randomly edited copy at the network's size; `other` is a picture to take logos from."""
    strong = 0.3 + 0.7 * random.random()
    result = place(picture, random, size, aspect, strong)
    if random.random() < 0.5:
        result = recolour(result, random, strong)
    if random.random() < 0.25:
        draw_text(result, random, strong)
    if random.random() < 0.15:
        draw_logo(result, random, strong, other)
    return degrade(result, random, strong)
