"""Random transformations that keep the class, differentiable in what they transform (DSA; its counterparts for words).

One draw of `augment` transforms all rows alike, and the same state of the generator gives the same transformation: so
real and synthetic rows are seen through the same eyes. As in DSA's code one of the names is chosen at random at every
call. `augment_each` transforms every row by itself, as networks are trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.errors import RecipeError, did_you_mean
from textdistill.objectives.moments import part_of

# DSA's strengths (Zhao & Bilen 2021, section 4 and code).
BRIGHTNESS, SATURATION, CONTRAST = 1.0, 2.0, 0.5
CROP, CUTOUT, SCALE, ROTATE = 0.125, 0.5, 1.2, 15.0  # shares of a side, a side, a factor, degrees
# Ours, for words: the share that is dropped, the most places to move by, the noise's size beside the words'.
DROP, SHIFT, NOISE = 0.15, 3, 0.1

Augmentation = Callable[[Batch, torch.Generator], Batch]


def augment(batch: Batch, names: Sequence[str], rng: torch.Generator) -> Batch:
    """The batch after one of the transformations `names`, chosen and drawn from `rng`.

    Errors: `RecipeError` for a name that the kind of the inputs does not have.
    """
    kind = "pixels" if batch.inputs.dim() == 4 else "words"
    faults = name_faults(names, kind)
    if faults:
        raise RecipeError(faults)
    if not names:
        return batch
    chosen = names[int(torch.randint(len(names), (), generator=rng))]
    return AUGMENTATIONS[kind][chosen](batch, rng)


def augment_each(batch: Batch, names: Sequence[str], rng: torch.Generator) -> Batch:
    """The batch with every row after a transformation of its own, as the authors of DC and DSA train on finished sets.

    Errors: as `augment`.
    """
    rows = [augment(part_of(batch, slice(row, row + 1)), names, rng).inputs for row in range(len(batch))]
    return replace(batch, inputs=torch.cat(rows)) if rows else batch


def kinds_with(names: Sequence[str]) -> frozenset[str]:
    """The kinds of inputs that know all of these transformations."""
    return frozenset(kind for kind, known in AUGMENTATIONS.items() if set(names) <= set(known))


def name_faults(names: Sequence[str], kind: str | None = None, path: str = "objective.augment") -> list[str]:
    """One line for each name that inputs of this kind do not have; of no kind in particular, that no one kind has."""
    if kind is None:  # the kind that has most of the names is the one that is meant
        kind = max(AUGMENTATIONS, key=lambda one: sum(name in AUGMENTATIONS[one] for name in names))
    faults, allowed = [], AUGMENTATIONS.get(kind, {})
    for name in names:
        if name not in allowed:
            others = [other for other, known in AUGMENTATIONS.items() if name in known]
            why = f" is for {', '.join(others)}" if others else ""
            every = "; ".join(f"{', '.join(known)} for {other}" for other, known in AUGMENTATIONS.items())
            hint = "" if others else did_you_mean(name, [one for known in AUGMENTATIONS.values() for one in known])
            faults.append(f"{path}: {name!r}{why}; allowed: {every}{hint}")
    return faults


def _uniform(rng: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


# Pixels


def color(batch: Batch, rng: torch.Generator) -> Batch:
    """Brightness moved by up to half, saturation times 0 to 2, contrast times 0.5 to 1.5."""
    x = batch.inputs + _uniform(rng, -0.5, 0.5) * BRIGHTNESS
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (_uniform(rng, 0.0, 1.0) * SATURATION)
    level = x.mean((1, 2, 3), keepdim=True)
    return replace(batch, inputs=level + (x - level) * (_uniform(rng, 0.0, 1.0) + CONTRAST))


def crop(batch: Batch, rng: torch.Generator) -> Batch:
    """Moved by up to an eighth of each side, zeros coming in."""
    height, width = batch.inputs.shape[2:]
    by = [round(_uniform(rng, -1.0, 1.0) * CROP * side) for side in (height, width)]
    rows = torch.arange(height, dtype=torch.float64)[:, None].expand(height, width) - by[0]
    columns = torch.arange(width, dtype=torch.float64)[None].expand(height, width) - by[1]
    return replace(batch, inputs=resampled(batch.inputs, rows, columns))


def cutout(batch: Batch, rng: torch.Generator) -> Batch:
    """Zero within a box of half the height and width; its centre may lie anywhere."""
    keep = torch.ones(batch.inputs.shape[2:])
    spans = []
    for side in keep.shape:
        size = max(1, round(CUTOUT * side))
        first = int(torch.randint(side, (), generator=rng)) - size // 2
        spans.append(slice(max(0, first), max(0, first + size)))
    keep[spans[0], spans[1]] = 0
    return replace(batch, inputs=batch.inputs * keep.to(batch.inputs))


def flip(batch: Batch, rng: torch.Generator) -> Batch:
    """Mirrored from left to right, or not."""
    return replace(batch, inputs=batch.inputs.flip(3)) if _uniform(rng, 0.0, 1.0) < 0.5 else batch


def scale(batch: Batch, rng: torch.Generator) -> Batch:
    """Each side by its own factor between 1/1.2 and 1.2, about the centre."""
    down, across = (_uniform(rng, 1 / SCALE, SCALE) for _ in range(2))
    return replace(batch, inputs=_affine(batch.inputs, ((down, 0.0), (0.0, across))))


def rotate(batch: Batch, rng: torch.Generator) -> Batch:
    """Turned by up to 15 degrees about the centre."""
    angle = math.radians(_uniform(rng, -ROTATE, ROTATE))
    matrix = ((math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle)))
    return replace(batch, inputs=_affine(batch.inputs, matrix))


def _affine(images: Tensor, matrix: tuple[tuple[float, float], tuple[float, float]]) -> Tensor:
    """Each pixel is read where `matrix` takes its (row, column) as counted from the centre."""
    centre = [(side - 1) / 2 for side in images.shape[2:]]
    rows = (torch.arange(images.shape[2], dtype=torch.float64) - centre[0])[:, None]
    columns = (torch.arange(images.shape[3], dtype=torch.float64) - centre[1])[None]
    read = [centre[i] + matrix[i][0] * rows + matrix[i][1] * columns for i in range(2)]
    return resampled(images, read[0], read[1])


def resampled(
    images: Float[Tensor, "n c h w"], rows: Float[Tensor, "h w"], columns: Float[Tensor, "h w"]
) -> Float[Tensor, "n c h w"]:
    """The images read at these places, bilinearly, zero outside: a gather, as `grid_sample` differentiates once."""
    height, width = images.shape[2:]
    top, left = rows.floor(), columns.floor()
    flat, out = images.flatten(2), torch.zeros_like(images)
    for row, row_share in ((top, top + 1 - rows), (top + 1, rows - top)):
        for column, column_share in ((left, left + 1 - columns), (left + 1, columns - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            share = (row_share * column_share * inside).to(images)
            out = out + share * flat[:, :, place.long().flatten().to(images.device)].view_as(images)
    return out


# Words


def drop(batch: Batch, rng: torch.Generator) -> Batch:
    """Each place of the sentence is set to zero with probability 0.15, but never all the words of a row."""
    here = _real_places(batch)
    chance = torch.rand(here.shape[1], generator=rng).to(here.device)
    likeliest = torch.where(here, chance, -1.0).argmax(1, keepdim=True)
    keep = (chance >= DROP) | (torch.arange(len(chance), device=here.device) == likeliest)
    return replace(batch, inputs=batch.inputs * keep[:, :, None].to(batch.inputs))


def shift(batch: Batch, rng: torch.Generator) -> Batch:
    """The words of each sentence go round by up to 3 places; its length, and so the mask, stays."""
    by = int(torch.randint(-SHIFT, SHIFT + 1, (), generator=rng))
    lengths = _real_places(batch).sum(1, keepdim=True).clamp_min(1)
    place = torch.arange(batch.inputs.shape[1], device=lengths.device)[None]
    source = torch.where(place < lengths, (place - by) % lengths, place)
    return replace(batch, inputs=batch.inputs.gather(1, source[:, :, None].expand_as(batch.inputs)))


def noise(batch: Batch, rng: torch.Generator) -> Batch:
    """Gaussian noise on each real word, 0.1 times the size (root mean square) of its sentence's words."""
    here = _real_places(batch)[:, :, None].to(batch.inputs)
    count = (here.sum((1, 2), keepdim=True) * batch.inputs.shape[2]).clamp_min(1.0)
    # The tiny number keeps the root's derivative finite where a sentence is all zeros.
    size = ((batch.inputs * here).square().sum((1, 2), keepdim=True) / count + 1e-12).sqrt()
    # Uniform numbers come in the same order however many are drawn, Gaussian ones do not: sentences of another length
    # on the other side then see the same noise at the same place.
    even = torch.rand(batch.inputs.shape[1:], generator=rng, dtype=torch.float64).clamp(1e-9, 1 - 1e-9)
    drawn = math.sqrt(2) * torch.erfinv(2 * even - 1)
    return replace(batch, inputs=batch.inputs + NOISE * size * here * drawn.to(batch.inputs))


def _real_places(batch: Batch) -> Bool[Tensor, "n length"]:
    if batch.mask is not None:
        return batch.mask
    return torch.ones(batch.inputs.shape[:2], dtype=torch.bool, device=batch.inputs.device)


AUGMENTATIONS: dict[str, dict[str, Augmentation]] = {
    "words": {"drop": drop, "shift": shift, "noise": noise},
    "pixels": {"color": color, "crop": crop, "cutout": cutout, "flip": flip, "scale": scale, "rotate": rotate},
}
