"""Pictures as a video: in a file, or in a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

from harness.config.strict import UserError, suggest
from harness.envs.picture import Pixels, has_screen

Pictures = Iterator[Pixels]


def write(pictures: Pictures, rate: float, path: Path) -> None:
    """:param path: whose suffix is one of FORMATS; see `check`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("wb").close()  # says why it cannot be written; ffmpeg only breaks off
    FORMATS[path.suffix](pictures, rate, path)


def check(path: Path, option: str) -> None:
    """:raises UserError: if no such file can be written; the message tells the way out."""
    if path.suffix not in FORMATS:
        message = f"no video ends in '{path.suffix}'.{suggest(path.suffix, FORMATS)}"
        raise UserError.of(option, message)
    if path.suffix == ".mp4" and find_spec("imageio_ffmpeg") is None:
        way_out = "pip install 'rl-ablation-harness[video]', or name a .gif or .webp"
        raise UserError.of(option, f"{path.name} needs imageio_ffmpeg: {way_out}")


def _mp4(pictures: Pictures, rate: float, path: Path) -> None:
    """H.264, which every browser plays."""
    import imageio_ffmpeg

    first = next(pictures)
    height, width, _ = first.shape
    writer: Any = imageio_ffmpeg.write_frames(
        str(path), (width, height), fps=rate, codec="libx264", pix_fmt_out="yuv420p",
        macro_block_size=2, quality=8, ffmpeg_log_level="error",
    )  # fmt: skip
    writer.send(None)
    try:
        writer.send(first.tobytes())
        for each in pictures:
            writer.send(each.tobytes())
    finally:
        writer.close()


def _gif(pictures: Pictures, rate: float, path: Path) -> None:
    octree, plain = Image.Quantize.FASTOCTREE, Image.Dither.NONE  # several times as fast as others
    _animate((_image(p).quantize(256, octree, dither=plain) for p in pictures), rate, path)


def _webp(pictures: Pictures, rate: float, path: Path) -> None:
    _animate(map(_image, pictures), rate, path, quality=80, method=0)


def _animate(images: Iterator[Image.Image], rate: float, path: Path, **options: Any) -> None:
    shown = round(1000 / rate)
    next(images).save(path, save_all=True, append_images=images, duration=shown, loop=0, **options)


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels)


FORMATS: dict[str, Callable[[Pictures, float, Path], None]] = {
    ".mp4": _mp4,
    ".gif": _gif,
    ".webp": _webp,
}


def check_screen(option: str) -> None:
    """:raises UserError: if there is none to show a window on."""
    if not has_screen():
        way_out = "write a file instead, --video FILE.gif or --strip FILE.png"
        raise UserError.of(option, f"there is no display here: {way_out}")


def show(make: Callable[[], Pictures], rate: float, title: str) -> None:
    """In a window, over and over, until it is closed."""
    import pygame

    pygame.display.init()
    try:
        clock = pygame.time.Clock()
        pygame.display.set_caption(title)
        while True:
            for picture in make():
                height, width, _ = picture.shape
                screen = pygame.display.get_surface() or pygame.display.set_mode((width, height))
                pixels = pygame.image.frombuffer(picture.tobytes(), (width, height), "RGB")
                screen.blit(pixels, (0, 0))
                pygame.display.flip()
                clock.tick(rate)
                if any(_leaves(event, pygame) for event in pygame.event.get()):
                    return
    finally:
        pygame.display.quit()


def _leaves(event: Any, pygame: Any) -> bool:
    """Whether the window is closed, or Escape or Q pressed."""
    keys = (pygame.K_ESCAPE, pygame.K_q)
    return event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key in keys)
