"""The portraits of the sample collection that are painted in the seventeenth century: what each is made of."""

from __future__ import annotations

from orchestrator.sample.painter import Portrait
from orchestrator.sample.painter_age import Wear
from orchestrator.sample.painter_backdrop import Studio
from orchestrator.sample.painter_beards import Beard, Moustache
from orchestrator.sample.painter_caps import Turban
from orchestrator.sample.painter_collars import Frill, LaceCollar, Ruff
from orchestrator.sample.painter_dress import CLOSED_NECK, OPEN_NECK, Gown, Stole
from orchestrator.sample.painter_geometry import Face, Pose
from orchestrator.sample.painter_hair import BackHair, Bunches, Crown, Strands
from orchestrator.sample.painter_hats import Beret, Brimmed
from orchestrator.sample.painter_jewels import Buttons, Earring, Necklace
from orchestrator.sample.painter_sitting import Cloth
from orchestrator.sample.palette import AUBURN, BLACK_CLOTH, CANDLE, CHESTNUT, GREY, LANTERN, PALE, ROSY, SMOOTH, WHITE

BLAUWVOET = Portrait(
    Face(
        male=0.9,
        age=0.42,
        skin=ROSY,
        iris=(0.26, 0.33, 0.37),
        brow=(0.18, 0.11, 0.07),
        nose_length=1.06,
        nose_hook=0.3,
        jaw=1.05,
        blush=0.8,
        width=0.98,
    ),
    Pose(15, 0, -2),
    (Studio((0.19, 0.17, 0.125), light_side=-1),),
    (
        BackHair(Strands(CHESTNUT), lower=0.7),
        Gown(Cloth(BLACK_CLOTH, sheen=0.6, figure=(0.085, 0.08, 0.082)), CLOSED_NECK, shoulder=1.95),
        Buttons(),
        Ruff(),
    ),
    (
        Crown(Strands(CHESTNUT, flow="back"), sides=0.40),
        Beard(Strands(AUBURN, flow="down"), length=0.30, point=0.8, cheek=0.42),
        Moustache(Strands(AUBURN, flow="down"), curl=0.5),
        Brimmed(y=-0.70),
    ),
    hand=SMOOTH,
    eyes=(0.49, 0.42),
    scale=0.17,
)

OSTRELLE = Portrait(
    Face(
        skin=PALE,
        iris=(0.24, 0.29, 0.25),
        brow=(0.28, 0.17, 0.10),
        lip_fullness=1.05,
        smile=0.3,
        cheeks=0.6,
        nose_length=0.88,
        nose_width=0.95,
        mouth_width=0.92,
        jaw=1.04,
        chin=0.94,
        width=1.02,
        blush=0.8,
    ),
    Pose(-16, 1, 3),
    (Studio((0.24, 0.20, 0.15)),),
    (
        BackHair(Strands(AUBURN, curl=0.5), volume=0.08, lower=0.5, knot=0.26),
        Bunches(Strands(AUBURN), sides=(-1,)),
        Gown(
            Cloth((0.13, 0.16, 0.26), gloss=0.7, figure=(0.17, 0.20, 0.30)),
            ((0.0, 2.0), (0.5, 1.9), (0.70, 1.64), (0.72, 1.46)),
            turn=0.05,
            bust=0.08,
        ),
        LaceCollar(),
        Necklace(drop=0.02, half=0.43),
    ),
    (Crown(Strands(AUBURN, curl=0.3), volume=0.10, sides=0.2), Bunches(Strands(AUBURN), sides=(1,), depth=0.2)),
    hand=SMOOTH,
    size_px=(960, 1200),
)

COURCELLE = Portrait(
    Face(
        skin=(0.88, 0.70, 0.57),
        iris=(0.20, 0.22, 0.24),
        brow=(0.36, 0.24, 0.15),
        brow_weight=0.6,
        lip_fullness=1.18,
        mouth_width=0.86,
        lips=(0.70, 0.32, 0.28),
        smile=-0.05,
        cheeks=0.35,
        chin=0.92,
        eye_size=1.08,
        nose_length=0.93,
        nose_width=0.9,
        jaw=0.95,
    ),
    Pose(-28, 0, 4),
    (Studio((0.10, 0.095, 0.075), dark=(0.04, 0.038, 0.033)),),
    (
        Gown(Cloth((0.30, 0.205, 0.09), folds=0.10), CLOSED_NECK, shoulder=1.70, slope=0.06),
        Frill(((0.0, 1.66), (0.38, 1.56), (0.56, 1.38)), width=0.16),
    ),
    (
        Turban(
            Cloth((0.16, 0.25, 0.41), folds=0.03, fold_size=0.1, gloss=0.2),
            volume=0.10,
            height=0.16,
            tail=1,
            tail_color=(0.58, 0.45, 0.20),
            brow=-0.56,
            lower=0.2,
        ),
        Earring(1),
    ),
    light=CANDLE,
    hand=SMOOTH,
    glance=(0.01, 0),
    wear=Wear(cracks=0.45),
)

FROMENT = Portrait(
    Face(
        male=0.8,
        age=0.95,
        skin=(0.80, 0.60, 0.47),
        iris=(0.24, 0.18, 0.13),
        brow=(0.42, 0.39, 0.36),
        nose_width=1.15,
        nose_length=1.08,
        lip_fullness=0.8,
        cheeks=-0.3,
        blush=0.7,
        eye_open=0.9,
        brow_weight=1.25,
    ),
    Pose(11, 1, -3),
    (Studio((0.17, 0.12, 0.08), light_side=-1),),
    (
        BackHair(Strands(GREY, curl=0.6), volume=0.16, lower=0.95),
        Gown(Cloth((0.12, 0.075, 0.05), folds=0.12, sheen=0.5), OPEN_NECK, shoulder=1.9, slope=0.05),
        Frill(((0.0, 1.75), (0.25, 1.6), (0.48, 1.35)), width=0.10, color=(0.70, 0.66, 0.58)),
        Stole(Strands((0.13, 0.085, 0.055), curl=0.7, wispy=0.7), width=0.42),
    ),
    (
        Crown(Strands(GREY, flow="down", curl=0.6), volume=0.14, sides=0.35),
        Beard(Strands(WHITE, flow="down", curl=0.5), length=0.34, point=0.3),
        Moustache(Strands(WHITE, flow="down", curl=0.3), thick=0.09),
        Beret(side=-1),
    ),
    light=LANTERN,
    scale=0.17,
    eyes=(0.52, 0.41),
)
