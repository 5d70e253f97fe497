"""Edits of a batch of pictures: what happens to a picture between its original and a copy.

Everything is done for a whole batch with tensor operations, on a GPU or a CPU. Which picture gets
which edit is drawn from recipes (recipes.py); where the picture lies in its copy is geometry.py's.
"""

import itertools
import math

import torch
from geometry import Chosen, backgrounds, coin, homographies, sample, uniform
from overlays import overlay_masks, pages
from recipes import CLEAN, KINDS, Recipe
from torch import Tensor
from torch.nn import functional

SIDE = 160  # of the network's input
LUMA = (0.299, 0.587, 0.114)
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_CORNER = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
REDUCED_SIDES = (28, 32, 40, 48, 56, 72, 88, 112)  # pixels, of low-resolution copies
BLURS = (0.5, 0.7, 1.0, 1.3, 1.6, 2.0, 2.5)  # standard deviations in pixels

Recipes = tuple[tuple[Recipe, float], ...]


def per_picture(values: Tensor) -> Tensor:
    """Give a [B] tensor the shape [B, 1, 1, 1]."""
    return values[:, None, None, None]


def keep_or(chosen: Tensor, values: Tensor, neutral: float) -> Tensor:
    """`values` [B] where `chosen`, `neutral` elsewhere."""
    return torch.where(chosen, values, torch.full_like(values, neutral))


def resampling_matrices(side: int) -> Tensor:
    """The identity, then what softening does to a line of pixels: float32 [K, side, side]."""
    eye = torch.eye(side)
    matrices = [eye]
    distance = torch.arange(side)[:, None] - torch.arange(side)[None]
    for sigma in BLURS:
        kernel = torch.exp(-(distance.float() ** 2) / (2 * sigma**2))
        matrices.append(kernel / kernel.sum(1, keepdim=True))
    line = eye[None, None]
    for reduced in REDUCED_SIDES:
        down = functional.interpolate(line, (reduced, side), mode="bilinear", antialias=True)
        matrices.append(functional.interpolate(down, (side, side), mode="bilinear")[0, 0])
        coarse = functional.interpolate(line, (reduced, side), mode="area")
        matrices.append(functional.interpolate(coarse, (side, side), mode="nearest")[0, 0])
    return torch.stack(matrices)


def cosine_transform() -> Tensor:
    """The 8 x 8 cosine transform of a block, as float32 [64, 64] acting on its 64 pixels."""
    k = torch.arange(8, dtype=torch.float32)
    line = torch.cos(math.pi / 8 * (k[None, :] + 0.5) * k[:, None]) / 2
    line[0] /= math.sqrt(2)
    return torch.kron(line, line)


class Edits:
    """Makes edited views of a batch; holds the overlays, pages and matrices on one device."""

    def __init__(self, device: torch.device, overlays: int = 768, page_count: int = 384) -> None:
        self.device = device
        self.masks = torch.from_numpy(overlay_masks(overlays, SIDE)).to(device)
        self.pages = torch.from_numpy(pages(page_count, SIDE)).to(device)
        self.resampling = resampling_matrices(SIDE).to(device)
        self.transform = cosine_transform().to(device)
        chroma = torch.full((8, 8), 99.0)
        chroma[:4, :4] = torch.tensor(CHROMA_CORNER, dtype=torch.float32)
        luma = torch.tensor(LUMA_TABLE, dtype=torch.float32)
        self.tables = torch.stack([luma, chroma, chroma]).reshape(1, 3, 1, 64).to(device)
        self.to_ycc = torch.tensor(TO_YCC, device=device)
        self.from_ycc = torch.linalg.inv(self.to_ycc)
        self.luma = torch.tensor(LUMA, device=device)[None, :, None, None]
        line = (torch.arange(SIDE, device=device) + 0.5) / SIDE - 0.5
        self.y, self.x = line[None, None, :, None], line[None, None, None, :]

    def clean(self, pictures: Tensor) -> Tensor:
        """Reduce uint8 [B, S, S, 3] to float [B, 3, side, side] in 0..1."""
        x = pictures.permute(0, 3, 1, 2).float() / 255
        return functional.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)

    def choose(self, count: int, recipes: Recipes) -> Chosen:
        """Draw the edits of `count` pictures; recipes take consecutive shares of them."""
        shares = itertools.accumulate(share for _, share in recipes)
        edges = [0, *(round(count * share) for share in shares)]
        rows = [end - start for start, end in itertools.pairwise(edges)]
        chosen: Chosen = {}
        for kind in KINDS:
            parts = [
                torch.full((n,), recipe.get(kind, 0.0))
                for (recipe, _), n in zip(recipes, rows, strict=True)
            ]
            chosen[kind] = torch.rand(count, device=self.device) < torch.cat(parts).to(self.device)
        return chosen

    def views(self, pictures: Tensor, aspects: Tensor, recipes: Recipes) -> Tensor:
        """Edited copies of uint8 [B, S, S, 3]: float [B, 3, side, side] in 0..1.

        A first recipe of no edits takes the cheap way.
        """
        plain = round(len(pictures) * recipes[0][1]) if recipes[0][0] is CLEAN else 0
        if not plain:
            return self.edit(pictures, aspects, recipes)
        if plain == len(pictures):
            return self.clean(pictures)
        left = 1 - recipes[0][1]
        others = tuple((recipe, share / left) for recipe, share in recipes[1:])
        edited = self.edit(pictures[plain:], aspects[plain:], others)
        return torch.cat([self.clean(pictures[:plain]), edited])

    def edit(self, pictures: Tensor, aspects: Tensor, recipes: Recipes) -> Tensor:
        """All edits, in the order in which copies usually get them."""
        chosen = self.choose(len(pictures), recipes)
        x = pictures.permute(0, 3, 1, 2).float() / 255
        matrix = homographies(chosen, aspects)
        copies, inside = sample(x, matrix, SIDE)
        copies = torch.where(inside, copies, backgrounds(x, copies, chosen, self.pages))
        copies = self.overlay(copies, chosen["overlay"])
        copies = self.paste(copies, chosen["paste"])
        copies = self.illuminate(copies, chosen)
        copies = self.colour(copies, chosen)
        copies = self.soften(copies, chosen["soften"])
        amount = keep_or(chosen["noise"], uniform(aspects, 0.0, 0.08), 0.0)
        copies = (copies + per_picture(amount) * torch.randn_like(copies)).clamp(0, 1)
        return self.compress(copies, chosen["jpeg"])

    def overlay(self, x: Tensor, chosen: Tensor) -> Tensor:
        """Text, watermarks and logos, opaque or half transparent."""
        masks = self.masks[torch.randint(len(self.masks), (len(x),), device=self.device)]
        alpha = uniform(chosen, 0.25, 1.6).clamp(max=1)
        strength = per_picture(keep_or(chosen, alpha, 0.0)) / 255
        ink = per_picture(coin(chosen, 0.65).float()).expand(-1, 3, -1, -1)
        colours = torch.rand(len(x), 3, 1, 1, device=self.device)
        ink = torch.where(per_picture(coin(chosen, 0.6)), ink, colours)
        for layer, colour in ((1, 1 - ink), (0, ink)):
            cover = masks[:, layer : layer + 1] * strength
            x = x + (colour - x) * cover
        return x

    def paste(self, x: Tensor, chosen: Tensor) -> Tensor:
        """A rectangle of another picture of the batch."""
        width, height = uniform(chosen, 0.15, 0.5), uniform(chosen, 0.15, 0.5)
        left = uniform(chosen) * (1 - width) - 0.5
        top = uniform(chosen) * (1 - height) - 0.5
        columns = (self.x >= per_picture(left)) & (self.x < per_picture(left + width))
        rows = (self.y >= per_picture(top)) & (self.y < per_picture(top + height))
        return torch.where(columns & rows & per_picture(chosen), x.roll(7, 0), x)

    def illuminate(self, x: Tensor, chosen: Chosen) -> Tensor:
        """Light that falls off across the picture, and a bright reflection."""
        light, glare = chosen["light"], chosen["glare"]
        strength = per_picture(keep_or(light, uniform(light, 0.0, 0.9), 0.0))
        angle = per_picture(uniform(light, 0, 2 * math.pi))
        x = x * (1 + strength * (self.x * angle.cos() + self.y * angle.sin()))
        spot = [per_picture(uniform(glare, -0.5, 0.5)) for _ in range(2)]
        distance = (self.x - spot[0]) ** 2 + (self.y - spot[1]) ** 2
        width = per_picture(uniform(glare, 0.005, 0.08))
        strength = per_picture(keep_or(glare, uniform(glare, 0.2, 0.9), 0.0))
        return x + strength * torch.exp(-distance / width)

    def colour(self, x: Tensor, chosen: Chosen) -> Tensor:
        """Brightness, contrast, saturation, colour cast, gamma."""
        tone = chosen["tone"]
        bright = keep_or(tone & coin(tone, 0.7), uniform(tone, 0.5, 1.6), 1.0)
        contrast = keep_or(tone & coin(tone, 0.7), uniform(tone, 0.5, 1.5), 1.0)
        x = (x * per_picture(bright)).clamp(0, 1)
        mean = x.mean((1, 2, 3), keepdim=True)
        x = (x - mean) * per_picture(contrast) + mean
        saturation = keep_or(chosen["saturation"], uniform(tone, 0.2, 1.8), 1.0)
        saturation = torch.where(chosen["grey"], torch.zeros_like(saturation), saturation)
        luma = (x * self.luma).sum(1, keepdim=True)
        x = (x - luma) * per_picture(saturation) + luma
        cast = 1 + 0.18 * torch.randn(len(x), 3, 1, 1, device=self.device)
        x = torch.where(per_picture(chosen["cast"]), x * cast, x).clamp(1e-4, 1)
        exponent = torch.exp(0.45 * torch.randn(len(x), device=self.device))
        return x ** per_picture(keep_or(chosen["gamma"], exponent, 1.0))

    def soften(self, x: Tensor, chosen: Tensor) -> Tensor:
        """Blur or low resolution: one matrix for the rows and columns of each picture."""
        index = torch.randint(1, len(self.resampling), (len(x),), device=self.device)
        matrix = self.resampling[index * chosen][:, None]
        with torch.autocast(x.device.type, torch.float16, enabled=x.is_cuda):
            return (matrix @ x @ matrix.transpose(2, 3)).float()

    def compress(self, x: Tensor, chosen: Tensor) -> Tensor:
        """JPEG at qualities from 5 to 95: block transform, rounding, and back."""
        quality = uniform(chosen) ** 0.7 * 90 + 5
        scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
        steps = (self.tables * per_picture(scale)).clamp(min=1)
        count, blocks = len(x), SIDE // 8
        ycc = torch.einsum("ij,bjhw->bihw", self.to_ycc, x * 255)
        ycc[:, 0] -= 128
        parts = ycc.reshape(count, 3, blocks, 8, blocks, 8).transpose(3, 4)
        waves = parts.reshape(count, 3, blocks * blocks, 64) @ self.transform.T
        waves = torch.round(waves / steps) * steps
        parts = (waves @ self.transform).reshape(count, 3, blocks, blocks, 8, 8)
        ycc = parts.transpose(3, 4).reshape(count, 3, SIDE, SIDE)
        ycc[:, 0] += 128
        saved = (torch.einsum("ij,bjhw->bihw", self.from_ycc, ycc) / 255).clamp(0, 1)
        return torch.where(per_picture(chosen), saved, x)
