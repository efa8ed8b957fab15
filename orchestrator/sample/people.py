"""The sample collection: every picture with its title, painter, year, sitter and tags, and how it is painted.

Titles are as awkward as real ones: accents, quotation marks, colons, percent signs, typographic apostrophes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from orchestrator.sample import gallery_baroque, gallery_modern, gallery_rococo, gallery_romantic
from orchestrator.sample.painter import Portrait, paint_portrait
from orchestrator.sample.painter_geometry import Pose
from orchestrator.sample.painter_landscape import View
from orchestrator.sample.painter_others import (
    Picture,
    paint_far_figure,
    paint_landscape,
    paint_pair,
    paint_ruined,
    paint_still_life,
)

LICENCE = "CC0-1.0, sample made by Nightreel"

MEULEBEEK = "Joost van der Meulebeek"
CARONDEL = "Isabeau Carondel"
BRANCALEONE = "Teodora Brancaleone"
PERRICHON = "Anselme Perrichon"
PYM = "Harriet Colquhoun-Pym"
LAMYRE = "Édouard Lamyre"
QUILLEBEUF = "Ambroise Quillebeuf"

LOW_TIDE = View(
    sky_top=(0.34, 0.42, 0.50),
    sky_low=(0.80, 0.70, 0.54),
    land=(0.30, 0.26, 0.17),
    horizon=0.1,
    near=1.7,
    water=True,
    trees=0.0,
    boats=((-1.5, 0.42), (0.7, 0.3), (1.6, 0.95)),
)
MEADOW = View(land=(0.27, 0.28, 0.13), horizon=-0.2, trees=0.5, free=0.0, path=True)


@dataclass(frozen=True)
class Sample:
    """One picture of the collection."""

    slug: str  # name of its file, without the ending
    title: str
    artist: str
    year: int
    paint: Callable[[int], Picture]  # seed -> RGB, uint8 (height, width, 3)
    sitter: str | None = None
    tags: tuple[str, ...] = ()
    accepted: bool = True  # whether step 0 should accept it
    orientation: int = 1  # of the EXIF standard: how the file is to be turned before it is shown


def _portrait(portrait: Portrait) -> Callable[[int], Picture]:
    return lambda seed: paint_portrait(portrait, seed=seed).picture


_DAY_DRESS = replace(gallery_baroque.OSTRELLE, pose=Pose(-14, 0, 3))

ACCEPTED = (
    Sample(
        "blauwvoet",
        "Cornelis Blauwvoet, marchand de harengs",
        MEULEBEEK,
        1609,
        _portrait(gallery_baroque.BLAUWVOET),
        "Cornelis Blauwvoet",
        ("portrait", "homme", "baroque", "chapeau"),
    ),
    Sample(
        "ostrelle",
        "Marguerite d’Ostrelle à la collerette",
        CARONDEL,
        1637,
        _portrait(gallery_baroque.OSTRELLE),
        "Marguerite d'Ostrelle",
        ("portrait", "femme", "baroque", "dentelle"),
    ),
    Sample(
        "courcelle",
        "La Cirière au turban bleu",
        CARONDEL,
        1648,
        _portrait(gallery_baroque.COURCELLE),
        "Aleth Courcelle",
        ("portrait", "femme", "baroque", "perle"),
    ),
    Sample(
        "froment",
        "Le Vieux Luthier",
        CARONDEL,
        1659,
        _portrait(gallery_baroque.FROMENT),
        "Baltazar Froment",
        ("portrait", "homme", "baroque", "barbe"),
    ),
    Sample(
        "assan",
        'Ludovico Assan: cartografo, navigatore & "uomo di mondo"',
        BRANCALEONE,
        1698,
        _portrait(gallery_rococo.ASSAN),
        "Ludovico Assan",
        ("portrait", "homme", "baroque", "velours"),
    ),
    Sample(
        "benarra",
        "L'Horloger de la place aux Figues",
        BRANCALEONE,
        1705,
        _portrait(gallery_rococo.BENARRA),
        "Yusuf Benarra",
        ("portrait", "homme", "baroque", "turban"),
    ),
    Sample(
        "pontcarre",
        "Angélique de Pontcarré, dite « la Rose d'hiver »",
        PERRICHON,
        1746,
        _portrait(gallery_rococo.PONTCARRE),
        "Angélique de Pontcarré",
        ("portrait", "femme", "rococo", "roses"),
    ),
    Sample(
        "lebrac",
        "Monsieur Lebrac, inventeur [troisième essai]",
        PERRICHON,
        1752,
        _portrait(gallery_rococo.LEBRAC),
        "Hyacinthe Lebrac",
        ("portrait", "homme", "rococo", "perruque"),
        orientation=6,
    ),
    Sample(
        "thistlewood",
        "Miss Thistlewood in a Straw Bonnet",
        PYM,
        1816,
        _portrait(gallery_romantic.THISTLEWOOD),
        "Arabella Thistlewood",
        ("portrait", "woman", "romanticism", "bonnet"),
    ),
    Sample(
        "dunmore",
        "The Poet at the Edge of the Moor",
        PYM,
        1824,
        _portrait(gallery_romantic.DUNMORE),
        "Percival Dunmore",
        ("portrait", "man", "romanticism", "landscape format"),
    ),
    Sample(
        "baptiste",
        "Célestine Baptiste, Singing Teacher",
        PYM,
        1831,
        _portrait(gallery_romantic.BAPTISTE),
        "Célestine Baptiste",
        ("portrait", "woman", "romanticism", "shawl"),
    ),
    Sample(
        "kerbrat",
        "L'Aïeule aux quatre-vingts hivers",
        LAMYRE,
        1869,
        _portrait(gallery_romantic.KERBRAT),
        "Jeanne Kerbrat",
        ("portrait", "femme", "plein air", "châle"),
    ),
    Sample(
        "tanguy",
        "L'Été à 50 % : la marchande",
        LAMYRE,
        1878,
        _portrait(gallery_modern.TANGUY),
        "Rosalie Tanguy",
        ("portrait", "femme", "plein air", "chapeau de paille"),
    ),
    Sample(
        "goulven",
        "Le Capitaine Goulven, 6 h 45",
        LAMYRE,
        1884,
        _portrait(gallery_modern.GOULVEN),
        "Yann Goulven",
        ("portrait", "homme", "plein air", "mer"),
    ),
    Sample(
        "desrosiers",
        "Dame au boa blanc",
        QUILLEBEUF,
        1903,
        _portrait(gallery_modern.DESROSIERS),
        "Blanche Desrosiers",
        ("portrait", "femme", "belle époque", "plume"),
    ),
    Sample(
        "zhou",
        "Zhou Meilan, le soir de l'éclipse",
        QUILLEBEUF,
        1912,
        _portrait(gallery_modern.ZHOU),
        "Zhou Meilan",
        ("portrait", "femme", "belle époque", "chignon"),
    ),
)

REJECTED = (
    Sample(
        "maree-basse",
        "Marée basse à Port-Gralon",
        LAMYRE,
        1881,
        lambda seed: paint_landscape(LOW_TIDE, seed=seed),
        tags=("paysage",),
        accepted=False,
    ),
    Sample(
        "cousines",
        "Le Bal costumé : les deux cousines",
        PERRICHON,
        1749,
        lambda seed: paint_pair((gallery_rococo.PONTCARRE, _DAY_DRESS), seed=seed),
        tags=("double portrait",),
        accepted=False,
    ),
    Sample(
        "nettoye",
        "Monsieur Lebrac, inventeur [deuxième essai, nettoyé à l'alcool à 90°]",
        PERRICHON,
        1752,
        lambda seed: paint_ruined(gallery_rococo.LEBRAC, seed=seed),
        "Hyacinthe Lebrac",
        ("portrait", "abîmé"),
        accepted=False,
    ),
    Sample(
        "promenade",
        "La Promenade (figure au loin)",
        LAMYRE,
        1880,
        lambda seed: paint_far_figure(gallery_modern.TANGUY, MEADOW, seed=seed),
        tags=("paysage", "figure"),
        accepted=False,
    ),
    Sample(
        "vanite",
        "Vanité aux roses : 3 citrons, 1 grenade",
        CARONDEL,
        1651,
        lambda seed: paint_still_life(seed=seed),
        tags=("nature morte",),
        accepted=False,
    ),
)

COLLECTION = ACCEPTED + REJECTED
