"""What is said for abbreviations, units, currencies and signs, in French and English.

Tables only; `speakable.py` decides where each applies. A form that depends on how many there are is a pair.
"""

from __future__ import annotations

from collections.abc import Mapping

from steps.options import Language


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MONTHS: Mapping[Language, tuple[str, ...]] = {  # in order
    "fr": (
        *("janvier", "février", "mars", "avril", "mai", "juin"),
        *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    ),
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
}
ALWAYS: Mapping[Language, Mapping[str, str]] = {  # abbreviations that are unmistakable
    "fr": {
        "Mme": "Madame", "Mmes": "Mesdames", "Mlle": "Mademoiselle", "Mlles": "Mesdemoiselles", "MM.": "Messieurs",
        "Mgr": "Monseigneur", "Dr": "Docteur", "Dr.": "Docteur", "Pr": "Professeur", "St": "Saint",
        "Ste": "Sainte", "Sts": "Saints", "etc.": "et cetera", "env.": "environ", "apr.": "après", "ap.": "après",
        "c.-à-d.": "c'est-à-dire", "p.-ê.": "peut-être", "cf.": "voir", "ca.": "vers",
        "Cie": "Compagnie",
    },
    "en": {
        "Mr.": "Mister", "Mr": "Mister", "Mrs.": "Missus", "Mrs": "Missus", "Ms.": "Miz", "Dr.": "Doctor",
        "Dr": "Doctor", "Jr.": "Junior", "Sr.": "Senior", "Mme": "Madame", "Mme.": "Madame", "Mlle": "Mademoiselle",
        "Prof.": "Professor", "Rev.": "Reverend", "etc.": "et cetera", "e.g.": "for example", "i.e.": "that is",
        "vs.": "versus", "vs": "versus", "ca.": "around", "circa": "circa", "approx.": "approximately",
        "Ste.": "Saint", "Bros.": "Brothers", "Capt.": "Captain", "Gen.": "General", "Col.": "Colonel",
    },
}  # fmt: skip
BEFORE_NUMBER: Mapping[Language, Mapping[str, str]] = {  # abbreviations that only mean this before a number
    "fr": {
        "c.": "vers", "ca": "vers", "v.": "vers", "n°": "numéro", "N°": "Numéro", "no": "numéro", "no.": "numéro",
        "nº": "numéro", "nos": "numéros", "p.": "page", "pp.": "pages", "vol.": "volume", "t.": "tome",
        "art.": "article",
        "chap.": "chapitre", "fig.": "figure",
    },
    "en": {
        "c.": "around", "ca": "around", "No.": "Number", "no.": "number", "Nos.": "Numbers", "nos.": "numbers",
        "p.": "page", "pp.": "pages", "vol.": "volume", "Vol.": "Volume", "ch.": "chapter", "fig.": "figure",
        "b.": "born", "d.": "died", "fl.": "active", "r.": "reigned", "op.": "opus", "Op.": "Opus", "AD": "A D",
        "A.D.": "A D", "#": "number",
    },
}  # fmt: skip
AFTER_NUMBER: Mapping[Language, Mapping[str, tuple[str, str]]] = {  # units: one, several
    "fr": {
        "mm": ("millimètre", "millimètres"), "cm": ("centimètre", "centimètres"), "m": ("mètre", "mètres"),
        "km": ("kilomètre", "kilomètres"), "m²": ("mètre carré", "mètres carrés"),
        "m2": ("mètre carré", "mètres carrés"),
        "cm²": ("centimètre carré", "centimètres carrés"), "km²": ("kilomètre carré", "kilomètres carrés"),
        "m³": ("mètre cube", "mètres cubes"), "g": ("gramme", "grammes"), "kg": ("kilogramme", "kilogrammes"),
        "l": ("litre", "litres"), "h": ("heure", "heures"), "min": ("minute", "minutes"), "s": ("seconde", "secondes"),
        "km/h": ("kilomètre à l'heure", "kilomètres à l'heure"), "°": ("degré", "degrés"),
        "°C": ("degré Celsius", "degrés Celsius"), "%": ("pour cent", "pour cent"), "‰": ("pour mille", "pour mille"),
        "€": ("euro", "euros"), "$": ("dollar", "dollars"), "£": ("livre", "livres"), "¥": ("yen", "yens"),
        "F": ("franc", "francs"), "fr.": ("franc", "francs"), "Md€": ("milliard d'euros", "milliards d'euros"),
        "M€": ("million d'euros", "millions d'euros"), "EUR": ("euro", "euros"), "ans": ("an", "ans"),
    },
    "en": {
        "mm": ("millimetre", "millimetres"), "cm": ("centimetre", "centimetres"), "m": ("metre", "metres"),
        "km": ("kilometre", "kilometres"), "m²": ("square metre", "square metres"),
        "m2": ("square metre", "square metres"),
        "cm²": ("square centimetre", "square centimetres"), "km²": ("square kilometre", "square kilometres"),
        "m³": ("cubic metre", "cubic metres"), "g": ("gram", "grams"), "kg": ("kilogram", "kilograms"),
        "ft": ("foot", "feet"), "ft.": ("foot", "feet"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"),
        "mph": ("mile an hour", "miles an hour"), "km/h": ("kilometre an hour", "kilometres an hour"),
        "°": ("degree", "degrees"), "°C": ("degree Celsius", "degrees Celsius"), "°F": ("degree Fahrenheit",) * 2,
        "%": ("percent", "percent"), "‰": ("per mille", "per mille"), "€": ("euro", "euros"),
        "$": ("dollar", "dollars"), "£": ("pound", "pounds"), "¥": ("yen", "yen"), "BC": ("B C", "B C"),
        "B.C.": ("B C", "B C"), "BCE": ("B C E", "B C E"), "AD": ("A D", "A D"), "A.D.": ("A D", "A D"),
        "CE": ("C E", "C E"), "am": ("A M", "A M"), "pm": ("P M", "P M"), "a.m.": ("A M", "A M"),
        "p.m.": ("P M", "P M"),
    },
}  # fmt: skip
CURRENCIES = "$£€¥"
SCALES: Mapping[Language, frozenset[str]] = {
    "fr": frozenset({"million", "millions", "milliard", "milliards"}),
    "en": frozenset({"thousand", "million", "billion", "trillion"}),
}
SIGNS: Mapping[Language, Mapping[str, str]] = {
    "fr": {"&": "et", "+": "plus", "=": "égale", "@": "arobase", "%": "pour cent", "‰": "pour mille", "€": "euros"}
    | {"$": "dollars", "£": "livres", "¥": "yens", "°": "degrés", "§": "paragraphe", "©": "copyright"},
    "en": {"&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent", "‰": "per mille", "€": "euros"}
    | {"$": "dollars", "£": "pounds", "¥": "yen", "°": "degrees", "§": "paragraph", "©": "copyright"},
}
TO: Mapping[Language, str] = {"fr": "à", "en": "to"}
BY: Mapping[Language, str] = {"fr": "sur", "en": "by"}
OR: Mapping[Language, str] = {"fr": "ou", "en": "or"}
MINUS: Mapping[Language, str] = {"fr": "moins", "en": "minus"}
FRACTIONS: Mapping[Language, Mapping[tuple[str, str], str]] = {
    "fr": {("1", "2"): "un demi", ("1", "3"): "un tiers", ("2", "3"): "deux tiers", ("1", "4"): "un quart"}
    | {("3", "4"): "trois quarts"},
    "en": {("1", "2"): "a half", ("1", "3"): "a third", ("2", "3"): "two thirds", ("1", "4"): "a quarter"}
    | {("3", "4"): "three quarters"},
}
OVER: Mapping[Language, str] = {"fr": "sur", "en": "over"}
FEMININE = _words(  # French nouns before which one says "une", "vingt et une"; and the short form of hours
    "fois année années heure heures minute minutes seconde secondes femme femmes fille filles personne personnes page "
    "pages œuvre œuvres toile toiles livres pièce pièces lettre lettres version versions copie copies rose roses h"
)
RULERS = _words(  # names that the number of a ruler follows, in both languages' spellings
    "Adrian Adrien Albert Alexander Alexandre Alfonso Alphonse Anne Benedict Benoît Boniface Carlos Catherine Charles "
    "Christian Christina Christine Clement Clément Cosimo Côme Edward Édouard Elizabeth Élisabeth Emmanuel Eugene "
    "Eugène Felipe Ferdinand Francis François Frederick Frédéric Friedrich George Georges Gregory Grégoire Guillaume "
    "Gustav Gustave Gustavus Henri Henry Innocent Isabella Isabelle Ivan Jacques James Jean Joanna John Joseph Juan "
    "Jules Julius Leo Leopold Léon Léopold Louis Ludwig Margaret Marguerite Mary Matthias Maximilian Maximilien "
    "Napoleon Napoléon Nicholas Nicolas Oscar Otto Paul Peter Philip Philippe Pie Pierre Pius Ptolemy Ptolémée "
    "Ramesses Ramsès Richard Robert Rodolphe Rudolf Sigismund Sixte Sixtus Stephen Umberto Urbain Urban Victor "
    "Victoria Wilhelm William"
)
RULER_TITLES = _words(
    "King Queen Emperor Empress Pope Tsar Czar Duke Kaiser Prince Archduke Sultan "
    "king queen emperor empress pope tsar czar duke prince archduke sultan"
)
