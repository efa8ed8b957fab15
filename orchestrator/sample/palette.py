"""Colours, lights and hands that several pictures of the sample collection share. Colours are RGB, 0 .. 1."""

from __future__ import annotations

from orchestrator.sample.painter_brush import Hand
from orchestrator.sample.painter_light import Light

PALE = (0.87, 0.69, 0.58)
ROSY = (0.87, 0.66, 0.54)
TANNED = (0.80, 0.60, 0.46)
OLIVE = (0.66, 0.47, 0.33)
BROWN = (0.53, 0.36, 0.255)
DARK = (0.40, 0.265, 0.19)

RAVEN = (0.045, 0.036, 0.034)
CHESTNUT = (0.15, 0.092, 0.058)
AUBURN = (0.25, 0.125, 0.065)
BLOND = (0.44, 0.33, 0.19)
GREY = (0.44, 0.42, 0.39)
WHITE = (0.70, 0.69, 0.66)

BLACK_CLOTH = (0.050, 0.047, 0.050)
GOLD = (0.50, 0.385, 0.18)
LINEN = (0.82, 0.79, 0.72)

NORTH = Light()
"""Cool light from a high window on the left."""
CANDLE = Light((-0.62, -0.42, 0.62), key=(1.28, 1.06, 0.76), fill=(0.13, 0.10, 0.08), sky=(0.03, 0.03, 0.035))
LANTERN = Light((-0.5, -0.42, 0.72), key=(1.30, 1.09, 0.80), fill=(0.22, 0.18, 0.14), sky=(0.05, 0.05, 0.055))
DAY = Light(
    (-0.45, -0.70, 0.62), key=(1.06, 1.02, 0.93), fill=(0.24, 0.23, 0.22), sky=(0.14, 0.16, 0.19), softness=0.32
)
STRONG = Light(key=(1.32, 1.21, 1.03))
"""For dark skin, which needs more light to be painted as richly."""
RIGHT = Light((0.52, -0.60, 0.60))

SMOOTH = Hand(sizes_px=(22, 11, 5.5), jitter=0.02, bristle=0.018, care=0.88, finish=0.5)
EVEN = Hand()
LOOSE = Hand(sizes_px=(30, 17, 8.5), jitter=0.05, bristle=0.042, care=0.68, finish=0.18, wobble=0.5)
