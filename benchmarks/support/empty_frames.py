"""Frames without a face: title cards and patterns, drawn; the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from benchmarks.support.heads import HEIGHT, WIDTH, filmed

WORDS = (
    "A FILM BY", "THE FERRY", "SCENE", "TAKE", "ROLL", "THE END", "Moon", "Oslo", "Chapter", "directed", "photography",
    "Anna", "O", "8", "00:00:10", "OO", "& Co.", "1968", "presents", "after a story", "B&B", "COLOUR", "Ouverture",
)  # fmt: skip
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-BoldItalic", "DejaVuSansMono", "STIXGeneral",
         "STIXGeneralBolIta", "cmr10", "cmss10", "cmtt10")  # fmt: skip


def draw_cards(count: int, seed: int) -> list[np.ndarray]:
    """Title cards: text in many fonts, sizes and colours, some with a frame or a ring; uint8 HEIGHT,WIDTH,3."""
    return [_draw_card(np.random.default_rng([seed, 1, number])) for number in range(count)]


def draw_patterns(count: int, seed: int) -> list[np.ndarray]:
    """Test charts, wallpaper, bokeh, blinds and clouds, in turn; uint8 HEIGHT,WIDTH,3."""
    kinds = (_rings, _checks, _bokeh, _stripes, _clouds)
    frames = []
    for number in range(count):
        random = np.random.default_rng([seed, 2, number])
        frames.append(filmed(kinds[number % len(kinds)](random), random))
    return frames


def _draw_card(random: np.random.Generator) -> np.ndarray:
    ground, ink = (tuple(int(value) for value in random.integers(low, low + 80, 3)) for low in _contrast(random))
    picture = Image.new("RGB", (WIDTH, HEIGHT), ground)
    draw, lines = ImageDraw.Draw(picture), int(random.integers(1, 6))
    for line in range(lines):
        text = " ".join(str(word) for word in random.choice(WORDS, random.integers(1, 4)))
        size_px = int(random.integers(18, max(24, 300 // lines)))
        middle = (WIDTH / 2 + random.uniform(-120, 120), HEIGHT * (line + 1) / (lines + 1))
        draw.text(middle, text, ink, _font(str(random.choice(FONTS)), size_px), anchor="mm")
    if random.random() < 0.2:  # noqa: PLR2004  # one in five
        radius = random.uniform(60, 220)
        draw.ellipse((WIDTH / 2 - radius, HEIGHT / 2 - radius, WIDTH / 2 + radius, HEIGHT / 2 + radius), outline=ink,
                     width=int(random.integers(2, 14)))  # fmt: skip
    blurred = cv2.GaussianBlur(np.asarray(picture)[..., ::-1], (0, 0), random.uniform(0.4, 2.5))
    return filmed(blurred, random)


def _font(name: str, size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", f"{name}.ttf"), size_px)


def _contrast(random: np.random.Generator) -> tuple[int, int]:
    """The lowest levels of ground and ink: white on black, or black on white."""
    return (0, 175) if random.random() < 0.5 else (175, 0)  # noqa: PLR2004  # one in two


def _colour(random: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(value) for value in random.integers(0, 256, 3))


def _rings(random: np.random.Generator) -> np.ndarray:
    scene = np.full((HEIGHT, WIDTH, 3), _colour(random), np.uint8)
    for _ in range(int(random.integers(1, 8))):
        middle, colour = (int(random.integers(WIDTH)), int(random.integers(HEIGHT))), _colour(random)
        for radius in range(int(random.integers(8, 200)), 4, -int(random.integers(6, 30))):
            cv2.circle(
                scene, middle, radius, colour if radius % 2 else _colour(random), int(random.integers(-1, 6)) or 1
            )
    return cv2.GaussianBlur(scene, (0, 0), 1)


def _checks(random: np.random.Generator) -> np.ndarray:
    side, turn = int(random.integers(8, 90)), random.uniform(0, np.pi)
    y_hw, x_hw = np.mgrid[:HEIGHT, :WIDTH]
    across = (x_hw * np.cos(turn) + y_hw * np.sin(turn)) // side
    down = (y_hw * np.cos(turn) - x_hw * np.sin(turn)) // side
    colours = np.array([_colour(random), _colour(random)], np.uint8)
    return np.asarray(cv2.GaussianBlur(colours[((across + down) % 2).astype(int)], (0, 0), 1))


def _bokeh(random: np.random.Generator) -> np.ndarray:
    scene = np.full((HEIGHT, WIDTH, 3), random.integers(0, 70, 3), np.float32)
    for _ in range(int(random.integers(10, 70))):
        spot = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
        cv2.circle(
            spot, (int(random.integers(WIDTH)), int(random.integers(HEIGHT))), int(random.integers(5, 60)), 255, -1
        )
        soft = cv2.GaussianBlur(spot, (0, 0), random.uniform(1, 6))[..., None].astype(np.float32) / 255
        scene += soft * random.uniform(0.2, 0.9) * np.array(_colour(random), np.float32)
    return np.clip(scene, 0, 255)


def _stripes(random: np.random.Generator) -> np.ndarray:
    y_hw, x_hw = np.mgrid[:HEIGHT, :WIDTH]
    scene = np.zeros((HEIGHT, WIDTH, 3))
    for _ in range(3):
        turn, period = random.uniform(0, np.pi), random.uniform(8, 200)
        wave_hw = np.sin((x_hw * np.cos(turn) + y_hw * np.sin(turn)) * 2 * np.pi / period)
        scene += (0.5 + 0.5 * wave_hw)[..., None] * np.array(_colour(random)) / 3
    return scene


def _clouds(random: np.random.Generator) -> np.ndarray:
    scene = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for cells in (3, 6, 12, 24, 48):
        coarse = random.uniform(0, 1, (cells, cells + cells // 3, 3)).astype(np.float32)
        scene += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) * 3 / cells
    low, high = float(scene.min()), float(scene.max())
    return (scene - low) * 255 / (high - low)
