"""From image files to arrays by Pillow, with limits: bytes (channels, height, width), grey stays one channel."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from textdistill.core.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # decoders that run no program of their own
MAX_PIXELS = 2**24  # of one image: 4096 x 4096; a small file may claim to be far larger
MAX_BYTES = 2**32  # of a whole split in memory
MAX_ENCODED = 2**26  # bytes of one image's file: the most pixels without compression, and more
_ORIENTED = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})  # where Pillow looks
_RESIZED_AT_ONCE = 1024  # images; they are floats meanwhile


def decode(source: Path | bytes | Image.Image, called: str) -> np.ndarray:
    """One image as bytes (channels, height, width): three channels if it has colour, else one.

    Sixteen bits are rounded to eight, transparency is laid on white, an animation gives its first frame, and a
    photograph is turned upright. Raises `DataError` when it is no image, is damaged, or has too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's on large images and odd metadata: the limit is ours
            _check_encoded(source, called)
            if isinstance(source, Image.Image):
                return _array(_within_limit(source, called), called)
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
                return _array(_within_limit(image, called), called)
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise DataError(f"{called}: more than {MAX_PIXELS:,} pixels, the most allowed; make it smaller") from None
    except UnidentifiedImageError:
        raise DataError(
            f"{called}: cannot be read as an image (none of {', '.join(FORMATS)}); replace or remove it"
        ) from None
    except Exception as error:  # decoders meet damage with errors of every kind
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise DataError(f"{called}: cannot be read as an image ({reason[:120]}); replace or remove it") from None


def collect(images: Iterable[tuple[str, np.ndarray]], count: int, source: str, size: int | None) -> np.ndarray:
    """One array (n, channels, height, width) of images that are told apart by name in messages.

    With `size` every image is resized to a square of that side, without it all must have one size. If any has
    colour, grey ones get three equal channels. Raises `DataError`.
    """
    out: np.ndarray | None = None
    first, done = "", 0
    for called, image in images:
        image = image if size is None else resized(image[None], size)[0]
        if out is None:
            first, out = called, _room(count, image, source)
        elif image.shape[1:] != out.shape[2:]:
            raise DataError(
                f"{called}: {_size(image)} pixels, but {first} has {_size(out[0])}; one size is needed: "
                "resize them, or give a size (representation: {name: pixels, size: 32})"
            )
        elif len(image) > out.shape[1]:  # the first one in colour
            grey, out = out, _room(count, image, source)
            out[:done] = grey[:done]
        out[done] = image  # one channel spreads over three
        done += 1
    if out is None:
        raise DataError(f"{source}: no images")
    return out[:done]


def _room(count: int, image: np.ndarray, source: str) -> np.ndarray:
    check_bytes(count * image.size, source)
    return np.empty((count, *image.shape), dtype=np.uint8)


def resized(pixels: np.ndarray, size: int) -> np.ndarray:
    """Images (n, c, height, width) as squares of `size`: linear interpolation, smoothed where it shrinks."""
    if pixels.shape[2:] == (size, size):
        return pixels
    check_bytes(len(pixels) * pixels.shape[1] * size**2 * pixels.itemsize, "resized images")
    out = np.empty((*pixels.shape[:2], size, size), dtype=pixels.dtype)
    top = 255 if pixels.dtype == np.uint8 else 1
    for start in range(0, len(pixels), _RESIZED_AT_ONCE):
        part = torch.from_numpy(pixels[start : start + _RESIZED_AT_ONCE].astype(np.float32))
        part = torch.nn.functional.interpolate(part, (size, size), mode="bilinear", antialias=True)
        part = part.clamp(0, top)
        out[start : start + _RESIZED_AT_ONCE] = (part.round() if top == 255 else part).numpy()
    return out


def check_bytes(needed: int, source: str) -> None:
    """Raise `DataError` when a split would not fit."""
    if needed > MAX_BYTES:
        raise DataError(
            f"{source}: {needed / 2**30:.1f} GiB of pixels; allowed: {MAX_BYTES // 2**30} GiB; "
            "give fewer images, or a smaller size (representation: {name: pixels, size: 32})"
        )


def _check_encoded(source: Path | bytes | Image.Image, called: str) -> None:
    if isinstance(source, Image.Image):
        return
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    if size > MAX_ENCODED:
        raise DataError(
            f"{called}: {size / 2**20:.0f} MiB of an encoded picture; allowed: {MAX_ENCODED // 2**20}; make it smaller"
        )


def _within_limit(image: Image.Image, called: str) -> Image.Image:
    if image.width * image.height > MAX_PIXELS:
        raise DataError(
            f"{called}: {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}, the most allowed; "
            "make it smaller"
        )
    return image


def _array(image: Image.Image, called: str) -> np.ndarray:
    image.load()
    if not _ORIENTED.isdisjoint(image.info) or hasattr(image, "tag_v2"):
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        return _deep(image, called)
    if image.mode == "F":
        raise DataError(f"{called}: its pixels are floating-point numbers; write it with 8 bits a channel")
    palette = image.mode in ("P", "PA")
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    mode = "L" if grey else "RGB"
    colours = np.asarray(image if image.mode == mode else image.convert(mode))
    if grey:
        return colours[None].copy()
    if palette and bool((colours == colours[:, :, :1]).all()):
        colours = colours[:, :, :1]  # a palette of greys
    return np.ascontiguousarray(colours.transpose(2, 0, 1))


def _deep(image: Image.Image, called: str) -> np.ndarray:
    """Sixteen bits of grey as eight."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise DataError(f"{called}: grey values from {values.min()} to {values.max()}; allowed: 8 or 16 bits")
    return np.round(values / 257).astype(np.uint8)[None]


def _size(image: np.ndarray) -> str:
    return f"{image.shape[2]} x {image.shape[1]}"
