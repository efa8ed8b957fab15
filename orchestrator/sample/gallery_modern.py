"""The portraits of the sample collection that are painted after 1870: what each is made of."""

from __future__ import annotations

from orchestrator.sample.painter import Portrait
from orchestrator.sample.painter_age import Wear
from orchestrator.sample.painter_backdrop import Studio
from orchestrator.sample.painter_beards import Beard, Moustache
from orchestrator.sample.painter_dress import CLOSED_NECK, OPEN_NECK, WIDE_NECK, Gown, Lapels, Shawl, Stole
from orchestrator.sample.painter_flowers import Posy
from orchestrator.sample.painter_geometry import Face, Pose
from orchestrator.sample.painter_hair import BackHair, Crown, Locks, Strands
from orchestrator.sample.painter_hats import Brimmed, Halo, PeakedCap, Plume
from orchestrator.sample.painter_jewels import Buttons, Earring, Necklace
from orchestrator.sample.painter_landscape import View
from orchestrator.sample.painter_sitting import Cloth
from orchestrator.sample.palette import AUBURN, CHESTNUT, DAY, EVEN, GOLD, GREY, LOOSE, RAVEN, RIGHT, WHITE

TANGUY = Portrait(
    Face(
        skin=(0.84, 0.62, 0.49),
        blush=1.0,
        freckles=1.0,
        iris=(0.30, 0.22, 0.13),
        brow=(0.26, 0.15, 0.08),
        smile=0.85,
        cheeks=0.5,
        mouth_width=1.10,
        eye_open=0.90,
        width=1.04,
        jaw=1.08,
        nose_width=1.10,
        nose_length=0.92,
    ),
    Pose(-8, -2, -5),
    (View(sky_top=(0.40, 0.51, 0.61), sky_low=(0.82, 0.78, 0.67), water=True, horizon=0.9),),
    (
        Halo(),
        BackHair(Strands(AUBURN, curl=0.7), volume=0.12, lower=0.85),
        Gown(Cloth((0.74, 0.70, 0.62), folds=0.08), shoulder=1.6, bust=0.12),
        Shawl(Cloth((0.24, 0.32, 0.37), fold_size=0.24), open=0.62),
    ),
    (
        Crown(Strands(AUBURN, curl=0.6), volume=0.09, sides=0.2, part=0.15),
        Locks(Strands(AUBURN, curl=0.8, wispy=0.8), width=0.02, length=0.55, inner=0.70, sides=(1,), depth=0.3),
        Posy((-0.72, -1.02), size=0.13, colors=((0.66, 0.22, 0.16), (0.74, 0.62, 0.40), (0.30, 0.36, 0.52))),
    ),
    light=DAY,
    hand=LOOSE,
    size_px=(880, 1100),
    wear=Wear(varnish=0.25, cracks=0.2),
)

GOULVEN = Portrait(
    Face(
        male=1.0,
        age=0.7,
        skin=(0.76, 0.54, 0.42),
        blush=1.0,
        iris=(0.27, 0.37, 0.43),
        brow=(0.40, 0.37, 0.34),
        brow_weight=1.3,
        nose_width=1.18,
        jaw=1.10,
        width=1.04,
        eye_open=0.84,
        smile=0.3,
        cheeks=0.2,
    ),
    Pose(-20, 0, -3),
    (
        View(
            sky_top=(0.34, 0.40, 0.45),
            sky_low=(0.64, 0.63, 0.58),
            water=True,
            horizon=1.0,
            trees=0.0,
            land=(0.28, 0.29, 0.24),
        ),
    ),
    (
        BackHair(Strands(GREY), lower=0.6),
        Gown(Cloth((0.30, 0.28, 0.24), folds=0.03), CLOSED_NECK, shoulder=1.7),
        Gown(Cloth((0.055, 0.075, 0.11), folds=0.06), OPEN_NECK, shoulder=2.1),
        Lapels(Cloth((0.06, 0.08, 0.12))),
        Buttons(top=2.6, offset=-0.45),
        Buttons(top=2.6, offset=0.45),
    ),
    (
        Crown(Strands(GREY), sides=0.35),
        Beard(Strands(WHITE, flow="down", curl=0.7), length=0.26, point=0.15),
        Moustache(Strands(WHITE, flow="down", curl=0.3), thick=0.09, width=0.40),
        PeakedCap(),
    ),
    hand=LOOSE,
    light=DAY,
    size_px=(960, 1200),
    scale=0.172,
    wear=Wear(varnish=0.3, cracks=0.2),
)

DESROSIERS = Portrait(
    Face(
        skin=(0.88, 0.71, 0.61),
        blush=0.7,
        iris=(0.30, 0.26, 0.17),
        brow=(0.20, 0.12, 0.08),
        lips=(0.74, 0.26, 0.25),
        lip_fullness=1.12,
        smile=0.2,
        brow_arch=1.0,
        brow_lift=0.5,
        eye_open=0.84,
        width=0.95,
        jaw=0.92,
        nose_width=0.86,
        nose_length=1.0,
        chin=1.04,
    ),
    Pose(18, 2, -5),
    (Studio((0.40, 0.34, 0.27), dark=(0.20, 0.16, 0.13), light_side=-1),),
    (
        BackHair(Strands(CHESTNUT, curl=0.4), volume=0.22, height=0.1, lower=0.6),
        Gown(Cloth((0.20, 0.11, 0.17), sheen=0.8), WIDE_NECK, shoulder=1.72, slope=0.06, bust=0.14),
        Necklace(drop=0.10),
        Stole(Strands((0.66, 0.61, 0.53), flow="curly", curl=1.2, wispy=1.0, contrast=0.15), reach=1.15, width=0.46),
    ),
    (
        Crown(Strands(CHESTNUT, flow="back", curl=0.4), volume=0.22, height=0.16, sides=0.25, hairline=-0.70),
        Brimmed((0.11, 0.065, 0.09), reach=0.85, brim=0.20, y=-0.82, crown=0.40, tilt=-9, band=(0.42, 0.32, 0.16)),
        Posy((0.45, -1.22), size=0.15, colors=((0.60, 0.34, 0.36), (0.66, 0.54, 0.46), (0.44, 0.16, 0.20))),
        Plume(start=(0.35, -1.25), bend=(-0.5, -1.78), end=(-1.05, -1.1)),
    ),
    hand=LOOSE,
    light=DAY,
    scale=0.185,
    eyes=(0.5, 0.43),
    wear=Wear(varnish=0.25, cracks=0.15),
)

ZHOU = Portrait(
    Face(
        skin=(0.83, 0.66, 0.51),
        blush=0.45,
        iris=(0.09, 0.06, 0.045),
        brow=(0.05, 0.04, 0.035),
        brow_weight=0.85,
        brow_arch=0.3,
        nose_length=0.92,
        nose_height=0.84,
        nose_width=1.06,
        lips=(0.68, 0.30, 0.27),
        eye_tilt=0.4,
        eye_open=0.84,
        cheeks=0.35,
        smile=0.25,
        width=1.03,
        chin=0.95,
        mouth_width=0.93,
    ),
    Pose(14, 0, -2),
    (Studio((0.21, 0.25, 0.27), dark=(0.08, 0.09, 0.11), light_side=-1),),
    (
        BackHair(Strands(RAVEN, gloss=0.5), lower=0.6, knot=0.32),
        Gown(
            Cloth((0.12, 0.11, 0.21), gloss=0.5, figure=(0.20, 0.17, 0.25), folds=0.05),
            ((0.0, 1.52), (0.2, 1.44), (0.42, 1.24)),
            shoulder=1.70,
            slope=0.06,
            edge=GOLD,
            edge_width=0.09,
            bust=0.06,
        ),
    ),
    (
        Crown(Strands(RAVEN, flow="parted", gloss=0.5), sides=0.25, hairline=-0.70),
        Earring(-1, radius=0.05, color=(0.20, 0.42, 0.32)),
    ),
    light=RIGHT,
    hand=EVEN,
)
