"""The portraits of the sample collection that are painted between 1800 and 1870: what each is made of."""

from __future__ import annotations

from orchestrator.sample.painter import Portrait
from orchestrator.sample.painter_backdrop import Studio
from orchestrator.sample.painter_caps import Bonnet, Cap, Ribbon, Turban
from orchestrator.sample.painter_collars import Cravat, Frill, HighCollar
from orchestrator.sample.painter_dress import CLOSED_NECK, LOW_NECK, OPEN_NECK, Gown, Lapels, Shawl
from orchestrator.sample.painter_flowers import Posy
from orchestrator.sample.painter_geometry import Face, Pose
from orchestrator.sample.painter_hair import BackHair, Crown, Curls, Strands
from orchestrator.sample.painter_jewels import Earring
from orchestrator.sample.painter_landscape import View
from orchestrator.sample.painter_sitting import Cloth
from orchestrator.sample.palette import BLOND, BROWN, DAY, GOLD, LOOSE, PALE, STRONG, WHITE

TOUSLED = (0.085, 0.062, 0.048)

THISTLEWOOD = Portrait(
    Face(
        skin=PALE,
        blush=0.9,
        freckles=0.7,
        iris=(0.25, 0.32, 0.23),
        brow=(0.34, 0.22, 0.12),
        smile=0.65,
        cheeks=0.35,
        nose_hook=-0.5,
        nose_length=0.84,
        chin=0.94,
        lips=(0.72, 0.36, 0.32),
        mouth_width=1.08,
        eye_gap=1.05,
        jaw=0.97,
    ),
    Pose(-12, 0, 5),
    (View(sky_top=(0.38, 0.47, 0.56), sky_low=(0.76, 0.71, 0.60)),),
    (
        Bonnet(lining=(0.50, 0.36, 0.32)),
        Gown(Cloth((0.70, 0.66, 0.58), folds=0.06), shoulder=1.6, bust=0.06),
        Shawl(Cloth((0.27, 0.10, 0.085), fold_size=0.22), border=GOLD),
    ),
    (
        Crown(Strands(BLOND, curl=0.5), volume=0.06, sides=0.2),
        Curls(Strands(BLOND), count=44, size=0.14, forehead=0.75),
        Ribbon((0.22, 0.28, 0.36)),
        Posy((0.62, -1.02), size=0.12),
    ),
    light=DAY,
)

DUNMORE = Portrait(
    Face(
        male=0.55,
        age=0.12,
        skin=PALE,
        iris=(0.16, 0.12, 0.09),
        brow=(0.07, 0.05, 0.04),
        brow_weight=1.2,
        nose_length=1.08,
        nose_width=0.92,
        jaw=0.90,
        width=0.94,
        cheeks=-0.5,
        lip_fullness=0.92,
        smile=-0.15,
        stubble=0.35,
        blush=0.35,
        brow_lift=-0.3,
    ),
    Pose(24, 1, 4),
    (
        View(
            sky_top=(0.19, 0.22, 0.27),
            sky_low=(0.58, 0.46, 0.33),
            cloud=0.9,
            land=(0.14, 0.15, 0.095),
            horizon=1.2,
            water=True,
        ),
    ),
    (
        BackHair(Strands(TOUSLED, curl=1.0), volume=0.14, lower=0.6),
        Gown(Cloth((0.50, 0.45, 0.34), folds=0.03), CLOSED_NECK, shoulder=1.7),
        Gown(Cloth((0.065, 0.07, 0.09), sheen=0.4), OPEN_NECK, shoulder=2.0),
        HighCollar(),
        Cravat(fall=0, bow=True, top=1.1),
        Lapels(Cloth((0.075, 0.08, 0.10), sheen=0.5)),
    ),
    (
        Crown(
            Strands(TOUSLED, flow="curly", curl=1.0, wispy=0.7, contrast=0.45),
            volume=0.12,
            height=0.16,
            sides=0.30,
            hairline=-0.66,
            temples=0.54,
        ),
        Curls(Strands(TOUSLED)),
    ),
    size_px=(1200, 900),
    eyes=(0.34, 0.405),
    scale=0.215,
    light=DAY,
    glance=(0.02, -0.02),
)

BAPTISTE = Portrait(
    Face(
        skin=BROWN,
        lips=(0.48, 0.20, 0.18),
        iris=(0.12, 0.07, 0.04),
        brow=(0.05, 0.035, 0.03),
        lip_fullness=1.28,
        nose_width=1.22,
        nose_length=0.92,
        cheeks=0.45,
        smile=0.45,
        age=0.2,
        blush=0.4,
        width=1.02,
        eye_size=1.04,
    ),
    Pose(12, -1, -4),
    (Studio((0.34, 0.30, 0.22), dark=(0.13, 0.11, 0.08), light_side=-1),),
    (
        Gown(Cloth((0.68, 0.63, 0.54), folds=0.08), shoulder=1.6, bust=0.1),
        Frill(LOW_NECK, width=0.14),
        Shawl(Cloth((0.13, 0.21, 0.22), fold_size=0.24), border=(0.50, 0.38, 0.17)),
    ),
    (
        Turban(
            Cloth((0.42, 0.11, 0.085), folds=0.03),
            second=(0.60, 0.46, 0.20),
            volume=0.14,
            height=0.36,
            brow=-0.60,
            lower=0.05,
        ),
        Earring(-1, radius=0.06, color=GOLD),
    ),
    light=STRONG,
)

KERBRAT = Portrait(
    Face(
        skin=(0.80, 0.62, 0.51),
        age=1.0,
        iris=(0.30, 0.36, 0.38),
        brow=(0.50, 0.46, 0.42),
        brow_weight=0.7,
        width=0.97,
        lip_fullness=0.6,
        smile=0.35,
        cheeks=-0.35,
        nose_length=1.10,
        nose_hook=0.5,
        chin=1.08,
        eye_open=0.80,
        blush=0.8,
        mouth_width=1.04,
    ),
    Pose(18, 3, 2),
    (Studio((0.26, 0.25, 0.23), light_side=-1),),
    (
        Gown(Cloth((0.13, 0.13, 0.15)), CLOSED_NECK, shoulder=1.7, slope=0.08),
        Frill(((0.0, 1.60), (0.3, 1.54), (0.5, 1.36)), width=0.14),
        Shawl(Cloth((0.10, 0.095, 0.11), folds=0.09), open=0.42, border=(0.20, 0.17, 0.20)),
    ),
    (
        Crown(Strands(WHITE, flow="parted"), volume=0.04, sides=0.2, height=0.02, hairline=-0.66),
        Cap(frill=0.13, brow=-0.62),
    ),
    hand=LOOSE,
)
