"""Where a picture lies in its edited copy: crops, borders, pages, turns, perspective.

A placement is a homography for each picture from the unit square of the copy to the unit square
of the picture. What lies outside the picture shows a background.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Chosen = dict[str, Tensor]  # kind of edit: bool [B], whether picture i has it


def uniform(like: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Random numbers in low..high, one for each row of `like`: [B]."""
    return torch.rand(len(like), device=like.device) * (high - low) + low


def coin(like: Tensor, probability: float) -> Tensor:
    """Random booleans, one for each row of `like`: [B]."""
    return torch.rand(len(like), device=like.device) < probability


@dataclass(slots=True)
class Window:
    """The part of the picture that the copy shows, in units of the picture: all [B]."""

    width: Tensor
    height: Tensor
    x: Tensor  # of the centre
    y: Tensor

    def show(self, chosen: Tensor, width: Tensor, height: Tensor) -> None:
        """Shrink or enlarge the window by factors, at a random place that keeps the overlap."""
        free_x, free_y = (width - 1) / 2, (height - 1) / 2
        x = self.x + self.width * free_x * uniform(width, -1, 1)
        y = self.y + self.height * free_y * uniform(height, -1, 1)
        self.x, self.y = torch.where(chosen, x, self.x), torch.where(chosen, y, self.y)
        self.width = torch.where(chosen, self.width * width, self.width)
        self.height = torch.where(chosen, self.height * height, self.height)


def choose_window(chosen: Chosen, aspects: Tensor) -> Window:
    """Crops, then pads to a square, borders and pages."""
    one = torch.ones_like(aspects)
    window = Window(one, one, one / 2, one / 2)
    width = uniform(aspects, 0.52, 0.97)
    height = torch.where(coin(aspects, 0.6), width, uniform(aspects, 0.52, 0.97))
    window.show(chosen["crop"], width, height)
    pad = chosen["pad"]
    window.width = torch.where(pad & (aspects < 1), window.width / aspects, window.width)
    window.height = torch.where(pad & (aspects > 1), window.height * aspects, window.height)
    # a border of equal thickness in pixels: a share of the longer side, each side of the picture
    share = 2 * uniform(aspects, 0.02, 0.24)
    width = 1 + share * torch.clamp(1 / aspects, min=1)
    height = 1 + share * torch.clamp(aspects, min=1)
    loose = coin(aspects, 0.35)
    width = torch.where(loose, uniform(aspects, 1, 1.7), width)
    height = torch.where(loose, uniform(aspects, 1, 1.7), height)
    even = Window(window.width * width, window.height * height, window.x, window.y)
    border = chosen["border"] & ~chosen["page"]
    window.show(border & loose, width, height)
    tight = border & ~loose
    window.width = torch.where(tight, even.width, window.width)
    window.height = torch.where(tight, even.height, window.height)
    # a page: the picture covers 20 to 70 % of a page with an aspect ratio of its own
    area = uniform(aspects, 0.2, 0.7)
    shape = (aspects * torch.exp(uniform(aspects, -0.8, 0.8))).sqrt()
    width = (area.sqrt() * shape).clamp(0.25, 0.98)
    height = (area / width).clamp(0.25, 0.98)
    window.show(chosen["page"], 1 / width, 1 / height)
    return window


def choose_angle(chosen: Chosen, aspects: Tensor) -> Tensor:
    """Angle of each picture in radians: slight turns, some larger, quarter turns: [B]."""
    angle = torch.randn_like(aspects) * math.radians(7.0)
    angle = torch.where(coin(aspects, 0.25), uniform(aspects, -0.5, 0.5), angle)
    angle = torch.where(chosen["rotate"], angle, torch.zeros_like(angle))
    turns = torch.randint(1, 4, aspects.shape, device=aspects.device) * (math.pi / 2)
    return angle + torch.where(chosen["quarter"], turns, torch.zeros_like(turns))


def widen_for_turn(window: Window, angle: Tensor, chosen: Chosen, aspects: Tensor) -> None:
    """Enlarge the window so that a turned picture is seen whole, for two thirds of them."""
    cosine, sine = angle.cos().abs(), angle.sin().abs()
    whole = chosen["rotate"] & coin(aspects, 0.67)
    window.width = torch.where(whole, window.width * (cosine + sine / aspects), window.width)
    window.height = torch.where(whole, window.height * (cosine + sine * aspects), window.height)


def homographies(chosen: Chosen, aspects: Tensor) -> Tensor:
    """Draw a placement for each picture of the given width / height: float32 [B, 3, 3]."""
    window = choose_window(chosen, aspects)
    angle = choose_angle(chosen, aspects)
    widen_for_turn(window, angle, chosen, aspects)
    flip = torch.where(chosen["mirror"], -1.0, 1.0)
    cosine, sine = angle.cos(), angle.sin()
    matrix = torch.zeros(len(aspects), 3, 3, device=aspects.device)
    matrix[:, 0, 0] = cosine * window.width * flip
    matrix[:, 0, 1] = -sine * window.height / aspects
    matrix[:, 1, 0] = sine * window.width * aspects * flip
    matrix[:, 1, 1] = cosine * window.height
    matrix[:, 0, 2] = window.x - (matrix[:, 0, 0] + matrix[:, 0, 1]) / 2
    matrix[:, 1, 2] = window.y - (matrix[:, 1, 0] + matrix[:, 1, 1]) / 2
    matrix[:, 2, 2] = 1
    tilt = chosen["perspective"][:, None] * torch.randn(len(aspects), 2, device=aspects.device)
    lens = torch.eye(3, device=aspects.device).repeat(len(aspects), 1, 1)
    lens[:, 2, :2] = tilt.clamp(-2, 2) * 0.22
    shift = torch.eye(3, device=aspects.device)
    shift[:2, 2] = -0.5
    return matrix @ shift.inverse() @ lens @ shift


def sample(pictures: Tensor, matrix: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Place pictures [B, 3, S, S] in 0..1: copies [B, 3, side, side] and where they show.

    The second result is bool [B, 1, side, side]; elsewhere the copy repeats the picture's edge.
    Pictures that are reduced strongly are smoothed first.
    """
    line = (torch.arange(side, device=pictures.device) + 0.5) / side
    y, x = torch.meshgrid(line, line, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], -1).reshape(1, -1, 3)
    mapped = points @ matrix.transpose(1, 2)
    grid = mapped[..., :2] / mapped[..., 2:].clamp(min=0.2) * 2 - 1
    grid = grid.reshape(len(pictures), side, side, 2)
    size = pictures.shape[-2:]
    smooth = functional.interpolate(
        functional.avg_pool2d(pictures, 2), size=size, mode="bilinear", align_corners=False
    )
    reduced = (matrix[:, :2, :2].det().abs() > 1.8)[:, None, None, None]
    source = torch.where(reduced, smooth, pictures)
    copies = functional.grid_sample(
        source, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return copies, (grid.abs() <= 1).all(-1)[:, None]


def collage(pictures: Tensor, side: int) -> Tensor:
    """Four other pictures of the batch in a square, for each picture: [B, 3, side, side]."""
    half = functional.interpolate(
        pictures, size=(side // 2, side // 2), mode="bilinear", align_corners=False
    )
    tiles = [half.roll(shift, 0) for shift in (1, 2, 3, 4)]
    rows = [torch.cat(tiles[:2], 3), torch.cat(tiles[2:], 3)]
    return torch.cat(rows, 2)


def backgrounds(pictures: Tensor, copies: Tensor, chosen: Chosen, pages: Tensor) -> Tensor:
    """What shows around each picture: [B, 3, side, side] like `copies`.

    Plain white, black or coloured; the picture's edge; the picture itself, blurred; another
    picture; a page of text (uint8 `pages` [P, 3, side, side]) or a collage.
    """
    count, side = len(copies), copies.shape[-1]
    kind = torch.rand(count, device=copies.device)
    kind = torch.where(chosen["page"], kind * 0.4 + 0.6, kind * 0.78)
    kind = kind[:, None, None, None]
    bright = (torch.rand(count, 1, 1, 1, device=copies.device) < 0.6).to(copies)
    colour = torch.rand(count, 3, 1, 1, device=copies.device)
    small = functional.interpolate(pictures, size=(14, 14), mode="area")
    blurred = functional.interpolate(small, size=(side, side), mode="bilinear", align_corners=False)
    other = functional.interpolate(
        pictures.roll(5, 0), size=(side, side), mode="bilinear", align_corners=False
    )
    page = pages[torch.randint(len(pages), (count,), device=copies.device)].to(copies) / 255
    ground = torch.where(kind < 0.36, bright, colour.expand(-1, -1, side, side))
    ground = torch.where(kind >= 0.46, copies, ground)  # edge
    ground = torch.where(kind >= 0.50, other, ground)
    ground = torch.where(kind >= 0.60, blurred, ground)
    ground = torch.where(kind >= 0.66, bright.expand_as(copies), ground)
    ground = torch.where(kind >= 0.76, page, ground)
    return torch.where(kind >= 0.95, collage(pictures, side), ground)
