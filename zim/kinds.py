"""What an article is about, by its first sentence: a painter, another person, a work of art, or something else.

An encyclopaedia begins "X (1606–1669) was a Dutch painter", "X est un film de …". The first noun of a known kind after
"was" decides, so that a film about a painter is a film and a ship named after a queen is a ship. Also when a person
lived, by the dates in the same lines. Everything here works on text of either language, folded.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from zim.sentences import sentences

Kind = Literal["artist", "person", "artwork", "other"]

DEFINITION_CHARS = 320

_ARTIST = (
    r"painters?|paintress|painter-\w+|sculptors?|sculptress|draughts(?:man|woman)|drafts(?:man|woman)|engravers?|"
    r"printmakers?|etchers?|lithographers?|illustrators?|portraitists?|miniaturists?|pastell?ists?|muralists?|"
    r"watercolou?rists?|impressionists?|ukiyo-?e|peintres?|aquarellistes?|sculpteurs?|sculptrices?|"
    r"dessinat(?:eur|rice)s?|graveu(?:r|se)s?|aquafortistes?|lithographes?|illustrat(?:eur|rice)s?|portraitistes?|"
    r"miniaturistes?|pastellistes?|plasticien(?:ne)?s?|impressionnistes?|"
    r"(?<!recording )(?<!martial )(?<!musical )(?<!hop )(?<!makeup )(?<!voice )artists?|"
    r"artistes?(?! (?:lyrique|de cirque|de cabaret|de variete|interprete|martial))"
)
_ARTWORK = (
    r"paintings?|pictures?|portraits?|self-portraits?|frescos?|frescoes|triptychs?|diptychs?|polyptychs?|altarpieces?|"
    r"murals?|drawings?|etchings?|engravings?|woodcuts?|woodblock|lithographs?|pastels?|watercolou?rs?|"
    r"sculptures?|statues?|busts?|masterpieces?|artworks?|works? of art|oil on \w+|tableaux?|toiles?|peintures?|"
    r"huiles?|autoportraits?|fresques?|triptyques?|diptyques?|polyptyques?|retables?|dessins?|gravures?|estampes?|"
    r"aquarelles?|oeuvres?|enluminures?"
)
_PERSON = (
    r"kings?|queens?|emperor|empress|princes?|princess(?:es)?|dukes?|duchess|counts?|countess|earl|"
    r"bar(?:on|oness)|marquess|marquise?|lad(?:y|ies)|lords?|noble(?:man|woman)?|aristocrat|socialite|courtesan|"
    r"mistress|wife|husband|daughter|son|mother|father|brother|sister|widow|merchant|banker|politician|statesman|"
    r"soldier|officer|general|admiral|captain|explorer|scientist|physician|doctor|philosopher|theologian|bishop|"
    r"pope|cardinal|saint|priest|monk|nun|abbot|writer|poet|novelist|playwright|author|composer|musician|singer|"
    r"dancer|act(?:or|ress)|model|muse|athlete|footballers?|cricketers?|players?|coach|wrestler|boxer|cyclist|"
    r"swimmer|director|producer|engineer|architect|lawyer|judge|teacher|professor|historian|journalist|"
    r"photographer|businessman|businesswoman|entrepreneur|polymath|man|woman|person|figure|roi|reine|empereur|"
    r"imperatrice|princesses?|duc|comtes?|comtesses?|baronne|seigneur|dame|noblesse|aristocrate|courtisane|"
    r"maitresse|epouse|femme|mari|fille|fils|mere|pere|frere|soeur|veuve|marchande?|banquier|homme|politique|"
    r"soldat|officier|amiral|capitaine|explorateur|savante?|medecin|philosophe|theologien|eveque|pape|abbe|moine|"
    r"religieuse|ecrivaine?|poete|poetesse|romancier|romanciere|auteur|autrice|dramaturge|compositeur|"
    r"compositrice|musicien|musicienne|chanteur|chanteuse|danseur|danseuse|acteur|actrice|comedien|comedienne|"
    r"modele|athlete|footballeur|footballeuse|joueur|joueuse|entraineur|lutteur|boxeur|cycliste|nageur|"
    r"realisateur|realisatrice|ingenieur|avocat|juge|professeur|historien|historienne|journaliste|photographe|"
    r"personnalite|personnage historique"
)
_OTHER = (
    r"films?|motion pictures?|movies?|telefilm|short film|"
    r"documentar(?:y|ies)|television|tv|series|episode|sitcom|miniseries|anime|"
    r"manga|novels?|books?|comics?|poems?|plays?|operas?|operettas?|musicals?|ballets?|songs?|singles?|albums?|"
    r"bands?|soundtrack|video game|games?|ships?|frigates?|battleships?|destroyers?|cruisers?|submarines?|"
    r"steamers?|boats?|vessels?|yachts?|ocean liner|locomotives?|aircraft|airline|cars?|town|city|village|"
    r"municipality|commune|hamlet|suburb|district|county|river|lake|mountain|island|crater|asteroid|minor planet|"
    r"planet|star|spacecraft|satellite|species|genus|cultivar|variety|breed|museum|school|college|university|"
    r"church|hospital|hotel|restaurant|station|street|bridge|building|castle|palace|company|corporation|brand|"
    r"software|programming language|operating system|newspaper|magazine|award|prize|festival|organi[sz]ation|"
    r"foundation|surname|given name|family name|forename|first name|racehorse|horse|fictional|character|murders?|"
    r"trials?|disambiguation|telenovela|serie|feuilleton|livres?|recueil|nouvelle|bande dessinee|poeme|"
    r"piece de theatre|chansons?|groupe|jeu|jeux|navires?|paquebot|fregate|cuirasse|croiseur|sous-marin|bateau|"
    r"voilier|ville|village|communes?|hameau|quartier|canton|departement|riviere|fleuve|lac|montagne|ile|cratere|"
    r"asteroide|planete|etoile|sonde|espece|genre|cultivar|variete|musee|ecole|lycee|college|universite|eglise|"
    r"hopital|hotel|gare|rue|pont|batiment|chateau|palais|entreprise|societe|marque|logiciel|revue|prix|fondation|"
    r"association|patronyme|prenom|nom de famille|cheval|jument|personnage de fiction|personnage|proces|station|"
    r"(?<=un )roman|club|clubs de football"
)
_KINDS = re.compile(
    rf"\b(?:(?P<artist>{_ARTIST})|(?P<artwork>{_ARTWORK})|(?P<person>{_PERSON})|(?P<other>{_OTHER}))(?![\w-])"
)
_COPULA = re.compile(r"\b(?:is|was|were|are|est|etait|fut|sont|furent|designe)\b")
_DOER = re.compile(r"[\s-]+(?:\w+(?:er|or|ist|man|woman|ian)s?|stars?|critic|captain|architect|official|personality)\b")
_RELATED = re.compile(
    r"\b(?:son|daughter|wife|husband|widow|brother|sister|mother|father|friend|pupil|named|about|by|fils|fille|epouse|"
    r"femme|mari|veuve|frere|soeur|mere|pere|ami|amie|nomme\w*|hommage|honneur|d'apres)\W+(?:[\w'-]+\W+){0,4}$"
)
_BRACKETS = re.compile(r"\([^()]*\)")
YEAR = re.compile(r"\b(1[0-9]{3}|20[0-9]{2})\b")
_ACTIVE = re.compile(r"(?:\bfl\.|\bactive\b|\bactifs?\b|\bactives?\b|\bfloruit\b)[^0-9]{0,20}$")
_CENTURY = re.compile(
    r"\b(?:(?P<number>1[0-9]|20|21)(?:th|st)[ -]century|(?P<roman>x{1,2}i{0,3}v?i{0,3}x?)(?:e|eme)? siecle)\b"
)
_ROMAN = {"x": 10, "xi": 11, "xii": 12, "xiii": 13, "xiv": 14, "xv": 15, "xvi": 16, "xvii": 17, "xviii": 18, "xix": 19}
_ROMAN |= {"xx": 20, "xxi": 21}


@dataclass(frozen=True)
class Life:
    """When somebody may have lived; the bounds are as wide as the article's words allow."""

    born: int  # earliest year in which the person could be a grown-up painter or sitter, less the years of growing up
    died: int  # latest year
    sure: bool  # both years stand there


def fold(text: str) -> str:
    """Return the text in lower case, without accents, with ligatures opened and straight apostrophes."""
    opened = text.lower().replace("œ", "oe").replace("æ", "ae").replace("ß", "ss").replace("’", "'")
    return "".join(c for c in unicodedata.normalize("NFKD", opened) if not unicodedata.combining(c))


def definition(lead: str) -> str:
    """Return what an article says that its subject is: the rest of its sentence after the first "is", folded."""
    plain = lead[:2000]
    for _ in range(3):
        plain = _BRACKETS.sub(" ", plain)
    told = [fold(sentence) for sentence in sentences(plain)[:3]]
    for sentence in told:
        found = _COPULA.search(sentence)
        if found:
            return sentence[found.end() :][:DEFINITION_CHARS]
    return told[0][:DEFINITION_CHARS] if told else ""


def kind_of(lead: str) -> Kind | None:
    """Return what an article is about, by its definition; None when no known noun is in it."""
    text = definition(lead)
    first: Kind | None = None
    for found in _KINDS.finditer(text):
        kind = _kind_named(found)
        if kind in ("other", "artwork") and _DOER.match(text, found.end()):
            continue  # a film director, a portrait painter, a ship owner
        if first is None and kind != "person":
            return kind
        if kind == "artist" and not _RELATED.search(text[: found.start()]):
            return kind  # "a polymath who was active as a painter", but not "a footballer, son of a painter"
        first = "person"
    return first


def _kind_named(found: re.Match[str]) -> Kind:
    if found.group("artist"):
        return "artist"
    if found.group("artwork"):
        return "artwork"
    return "person" if found.group("person") else "other"


def life_of(lead: str) -> Life | None:
    """Return when the person of an article lived, by its first lines; None when no date is there."""
    text = fold(lead[:500])
    found = list(YEAR.finditer(text))
    if found:
        first = int(found[0].group())
        if _ACTIVE.search(text[: found[0].start()]):
            last = int(found[1].group()) if len(found) > 1 else first
            return Life(first - 50, max(first, last) + 50, sure=False)
        died = next((year for one in found[1:] if 15 <= (year := int(one.group())) - first <= 105), None)
        return Life(first, died or first + 100, sure=died is not None)
    century = _CENTURY.search(text)
    if century is None:
        return None
    number = int(century.group("number") or _ROMAN.get(century.group("roman"), 0))
    return Life(100 * (number - 1) - 60, 100 * number + 40, sure=False) if number else None
