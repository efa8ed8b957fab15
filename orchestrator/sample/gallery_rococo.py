"""The portraits of the sample collection that are painted between 1690 and 1800: what each is made of."""

from __future__ import annotations

from orchestrator.sample.painter import Portrait
from orchestrator.sample.painter_backdrop import Curtain, Opening, Studio
from orchestrator.sample.painter_beards import Beard, Moustache
from orchestrator.sample.painter_caps import Turban
from orchestrator.sample.painter_collars import Cravat, Frill
from orchestrator.sample.painter_dress import CLOSED_NECK, OPEN_NECK, WIDE_NECK, Gown
from orchestrator.sample.painter_flowers import Posy
from orchestrator.sample.painter_geometry import Face, Pose
from orchestrator.sample.painter_hair import BackHair, Crown, Curls, Ringlets, Strands
from orchestrator.sample.painter_jewels import Buttons, Necklace
from orchestrator.sample.painter_landscape import View
from orchestrator.sample.painter_sitting import Cloth
from orchestrator.sample.palette import DARK, DAY, GOLD, LINEN, OLIVE, RAVEN, ROSY, SMOOTH, STRONG, WHITE

COAT_FRONT = ((0.40, 6.0), (0.44, 3.2), (0.40, 2.1), (0.48, 1.38))

ASSAN = Portrait(
    Face(
        male=0.85,
        age=0.3,
        skin=DARK,
        lips=(0.36, 0.18, 0.16),
        iris=(0.10, 0.06, 0.04),
        brow=(0.04, 0.03, 0.025),
        lip_fullness=1.3,
        nose_width=1.28,
        nose_length=0.96,
        jaw=1.03,
        blush=0.3,
        smile=0.25,
        width=0.98,
    ),
    Pose(20, -1, -2),
    (
        Studio((0.30, 0.24, 0.17), light_side=-1),
        Curtain(Cloth((0.17, 0.055, 0.05), folds=0.14, fold_size=0.42), side=1),
    ),
    (
        BackHair(Strands(RAVEN, curl=1.2, wispy=0.6), volume=0.13, lower=0.5),
        Gown(Cloth(LINEN, folds=0.05), OPEN_NECK, shoulder=1.7),
        Gown(Cloth((0.10, 0.12, 0.19), sheen=1.0), COAT_FRONT, shoulder=1.98, edge=GOLD, edge_width=0.09),
        Cravat(fall=1.0),
        Buttons(offset=0.62, top=2.3),
    ),
    (
        Crown(Strands(RAVEN, flow="curly", curl=1.4, wispy=0.6), volume=0.14, height=0.14, sides=0.25),
        Curls(Strands(RAVEN), count=50, size=0.12, forehead=0.4, hairline=-0.70),
        Moustache(Strands(RAVEN, flow="down"), width=0.30, thick=0.045),
        Beard(Strands(RAVEN, flow="down"), length=0.09, chin_only=True, point=0.85),
    ),
    light=STRONG,
)

BENARRA = Portrait(
    Face(
        male=0.95,
        age=0.5,
        skin=OLIVE,
        lips=(0.50, 0.25, 0.21),
        iris=(0.14, 0.09, 0.05),
        brow=(0.05, 0.04, 0.035),
        nose_hook=0.7,
        nose_length=1.10,
        nose_width=0.95,
        blush=0.3,
        smile=0.15,
        width=0.95,
        cheeks=-0.2,
    ),
    Pose(-20, 1, 1),
    (Studio((0.22, 0.20, 0.16)), Opening(View(horizon=0.9, water=True), inner=1.35)),
    (
        Gown(Cloth(LINEN, folds=0.04), CLOSED_NECK, shoulder=1.6),
        Gown(
            Cloth((0.09, 0.16, 0.13), folds=0.10, figure=(0.12, 0.19, 0.15)),
            OPEN_NECK,
            shoulder=1.95,
            edge=GOLD,
            edge_width=0.11,
        ),
    ),
    (
        Beard(Strands(RAVEN, flow="down", curl=0.4), length=0.22, point=0.4),
        Moustache(Strands(RAVEN, flow="down"), curl=0.7, width=0.38),
        Turban(Cloth((0.74, 0.70, 0.60), folds=0.03), second=(0.42, 0.13, 0.10), volume=0.30, height=0.40),
    ),
    scale=0.17,
)

PONTCARRE = Portrait(
    Face(
        skin=(0.90, 0.73, 0.63),
        blush=1.0,
        iris=(0.22, 0.31, 0.40),
        brow=(0.32, 0.24, 0.18),
        brow_weight=0.75,
        lips=(0.76, 0.30, 0.29),
        smile=0.4,
        cheeks=0.4,
        chin=0.88,
        jaw=0.90,
        nose_hook=-0.3,
        nose_length=0.86,
        nose_width=0.88,
        mouth_width=0.92,
        eye_size=1.04,
        brow_arch=0.8,
    ),
    Pose(15, 0, -4),
    (
        View(sky_top=(0.34, 0.39, 0.43), sky_low=(0.64, 0.57, 0.47), dim=0.72, horizon=1.4),
        Curtain(Cloth((0.15, 0.20, 0.22), folds=0.14, fold_size=0.42, gloss=0.3), side=-1),
    ),
    (
        BackHair(Strands((0.66, 0.64, 0.61), curl=0.4, contrast=0.15), volume=0.10, height=0.42, lower=0.8),
        Gown(Cloth((0.27, 0.36, 0.46), gloss=0.9, folds=0.10), WIDE_NECK, shoulder=1.72, slope=0.08, bust=0.14),
        Frill(WIDE_NECK, width=0.18),
        Posy((0.0, 2.35), size=0.13, depth=0.22),
    ),
    (
        Crown(
            Strands((0.68, 0.66, 0.63), flow="back", contrast=0.18),
            volume=0.10,
            height=0.42,
            sides=0.15,
            hairline=-0.76,
        ),
        Necklace(drop=-0.02, half=0.44, radius=0.03, color=(0.10, 0.10, 0.13)),
        Posy((-0.38, -1.18), size=0.10),
    ),
    light=DAY,
    hand=SMOOTH,
)

LEBRAC = Portrait(
    Face(
        male=0.7,
        age=0.45,
        skin=ROSY,
        blush=1.0,
        iris=(0.22, 0.17, 0.12),
        brow=(0.24, 0.17, 0.12),
        cheeks=0.9,
        jaw=1.20,
        width=1.06,
        chin=0.94,
        smile=0.55,
        nose_width=1.22,
        nose_length=0.97,
        nose_hook=0.25,
        lip_fullness=0.85,
        mouth_width=1.05,
        stubble=0.45,
        eye_size=0.94,
    ),
    Pose(-14, 0, -2),
    (Studio((0.25, 0.24, 0.20)),),
    (
        BackHair(Strands(WHITE, contrast=0.2), volume=0.14, lower=0.85),
        Gown(Cloth((0.52, 0.46, 0.33), gloss=0.4, figure=(0.42, 0.30, 0.16)), CLOSED_NECK, shoulder=1.8),
        Buttons(top=2.3, step=0.26),
        Gown(Cloth((0.27, 0.075, 0.06), sheen=0.5), COAT_FRONT, shoulder=2.05, edge=GOLD, edge_width=0.10),
        Cravat(fall=0.7),
    ),
    (
        Crown(Strands(WHITE, flow="back", contrast=0.2), volume=0.14, height=0.14, sides=0.25, hairline=-0.70),
        Ringlets(Strands(WHITE, contrast=0.2), sides=(1,), count=1, start=0.02, length=0.50, width=0.16, spread=0.0),
    ),
    light=DAY,
)
