"""One article in the markup that mwoffliner has written over the years, furniture and all.

The words are the same in each, so that each must give the same sections. Written after the templates and renderers of
mwoffliner and MediaWiki's Specs/HTML; the article is invented.
"""

from __future__ import annotations

LEAD = "Agnès Holt, née le 3 mai 1850 à Lille et morte en 1910, est une peintre du XIXe siècle."
LIFE = "Agnès Holt vend des enseignes de boulangerie pour payer ses couleurs dès 1871."
ITEM = "En 1880, elle peint la Dame en vert pour un boulanger de la ville."
AREA = "Son atelier de 40 m² sentait le pain, disait-on dans tout le quartier."
LAST = "Un musée lui est consacré depuis 1931, dans l'ancienne boulangerie."

EXPECTED = [
    ("", LEAD),
    ("Biographie", LIFE),
    ("Atelier", AREA),
    ("Atelier", ITEM),
    ("Postérité", LAST),
]

_NOTE = (
    '<sup about="#mwt3" class="mw-ref reference" id="cite_ref-1" rel="dc:references" typeof="mw:Extension/ref">'
    '<a href="./Agnès_Holt#cite_note-1"><span class="mw-reflink-text">[1]</span></a></sup>'
)
_LEAD = (
    '<p><b>Agnès Holt</b> <span class="API nowrap" title="Alphabet phonétique international">[aɲɛs ɔlt]</span>'
    ' (prononcé /aɲɛs/), née le <time datetime="1850-05-03">3&nbsp;mai 1850</time> à <a href="./Lille">Lille</a> et '
    'morte en 1910, est une <a href="./Peintre">peintre</a> du <abbr class="abbr" title="19ᵉ siècle">'
    f'<span class="romain">XIX</span><sup style="font-size:72%">e</sup></abbr>&nbsp;siècle{_NOTE}.</p>'
)
_LIFE = f"<p>Agnès Holt vend des enseignes de boulangerie pour payer ses couleurs dès 1871{_NOTE}.</p>"
_AREA = "<p>Son atelier de 40&nbsp;m<sup>2</sup> sentait le pain, disait-on dans tout le quartier.</p>"
_ITEMS = (
    '<ul><li>En 1880, elle peint la <i><a href="./Dame_en_vert">Dame en vert</a>'
    "</i> pour un boulanger de la ville.</li>"
    "<li>Le Pain noir</li></ul>"
)
_LAST = "<p>Un musée lui est consacré depuis 1931, dans l'ancienne boulangerie.</p>"
_BOX = (
    '<table class="infobox biography vcard"><tbody><tr><th>Naissance</th><td>'
    "<p>3 mai 1850, dans une maison à vendre.</p>"
    "</td></tr></tbody></table>"
)
_BOX_FR = (
    '<div class="infobox_v3 infobox infobox--frwiki noarchive"><p>Agnès Holt dans son atelier, vers 1890.</p></div>'
)
_HATNOTE = (
    '<div role="note" class="hatnote navigation-not-searchable">Pour le navire, voir <a href="./H">Holt</a>.</div>'
)
_BANNER = (
    '<div class="bandeau-container metadata homonymie hatnote"><p>Ne doit pas être confondue avec Anna Holt.</p></div>'
)
_THUMB = (
    '<figure typeof="mw:File/Thumb"><a href="./F"><img src="x.webp"/></a>'
    "<figcaption>Sa palette, cassée.</figcaption></figure>"
)
_OLD_THUMB = (
    '<div class="thumb tright"><div class="thumbinner"><div class="thumbcaption"><p>Sa palette, cassée.</p>'
    "</div></div></div>"
)
_MATH = (
    '<p>Elle aimait à écrire que <span class="mwe-math-element"><math><mi>E</mi></math><img class="mwe-math-fallback-'
    'image-inline" src="m.svg"/></span> vaut un bon pain.</p>'
)
_NAVBOX = (
    '<div class="navbox-styles"><style>.x{}</style></div><div role="navigation" class="navbox"><ul>'
    "<li>Peintres de la ville de Lille au siècle dernier</li></ul></div>"
)
_REFERENCES = (
    '<div class="mw-references-wrap" typeof="mw:Extension/references"><ol class="mw-references references">'
    '<li id="cite_note-1">'
    '<span class="mw-reference-text">Un livre sur les peintres boulangers du Nord, 1901.</span></li>'
    "</ol></div>"
)
_SCRIPT = "<script>var holt = '<p>Ceci est un programme qui se cache dans la page.</p>';</script>"

DETAILS = (  # mwoffliner until 2023: Wikimedia's mobile sections in <details>, closed or open
    f'<!DOCTYPE html><html><head><meta charset="UTF-8"><title>Agnès Holt</title>{_SCRIPT}</head>'
    '<body class="mw-body mw-body-content mediawiki" style="background-color: white;">'
    '<div id="content" class="mw-body">'
    '<a id="top"></a><h1 id="titleHeading" style="background-color: white; margin: 0;">Agnès Holt</h1>'
    '<div id="bodyContent"><div id="mw-content-text" lang="fr" dir="ltr" class="mw-content-ltr">'
    '<h1 class="section-heading" tabindex="0" aria-haspopup="true" data-section-id="0">'
    '<span class="mw-headline" id="title_0">Agnès Holt</span></h1>'
    f'<div id="mf-section-0" class="mf-section-0">{_BANNER}{_BOX_FR}{_OLD_THUMB}{_LEAD}</div>'
    f'<details data-level="2"><summary class="section-heading"><h2 id="Biographie">Biographie</h2>'
    f"</summary>{_LIFE}{_MATH}"
    f'<details data-level="3" open=""><summary class="section-heading"><h3 id="Atelier">Atelier</h3></summary>'
    f"{_AREA}{_ITEMS}</details></details>"
    '<details data-level="2" open><summary class="section-heading"><h2 id="Expositions">Expositions</h2></summary>'
    "<ul><li>En 1902, à Lille, dans la grande salle du marché.</li></ul></details>"
    f'<details data-level="2" open><summary class="section-heading"><h2 id="P">Postérité</h2>'
    f"</summary>{_LAST}</details>"
    '<details data-level="2" open><summary class="section-heading"><h2>Notes et références</h2></summary>'
    f"{_REFERENCES}</details>{_NAVBOX}</div></div></div></body></html>"
)

MOBILE = (  # Wikimedia's mobile-html: sections hidden by style, tables in collapsed boxes
    f'<html><head><title>Agnès Holt</title></head><body class="mw-body-content content mediawiki">'
    '<header><div class="pcs-edit-section-header v2"><h1 class="pcs-edit-section-title">Agnès Holt</h1></div>'
    '<p id="pcs-edit-section-title-description">peintre française</p></header>'
    f'<section data-mw-section-id="0">{_HATNOTE}<div class="pcs-collapse-table-container">'
    '<div class="pcs-collapse-table-collapsed-container"><strong>Quick facts</strong>'
    "<p>Née, morte et autres détails.</p>"
    f"</div><div>{_BOX}</div></div>{_LEAD}</section>"
    '<section data-mw-section-id="1" style="display: none;"><div class="pcs-edit-section-header v2">'
    f'<h2 id="Biographie" class="pcs-edit-section-title">Biographie</h2></div>{_LIFE}{_MATH}'
    '<section data-mw-section-id="2" style="display: none;"><div class="pcs-edit-section-header v2">'
    f'<h3 id="Atelier" class="pcs-edit-section-title">Atelier</h3></div>{_THUMB}{_AREA}{_ITEMS}</section></section>'
    '<section style="display: none;"><div class="pcs-edit-section-header v2"><h2 class="pcs-edit-section-title">'
    "Publications</h2></div><p>Le Pain et la Couleur, à Lille, chez elle, 1899.</p></section>"
    '<section style="display: none;"><div class="pcs-edit-section-header v2"><h2 class="pcs-edit-section-title">'
    f"Postérité</h2></div>{_LAST}</section>"
    '<section style="display: none;"><div class="pcs-edit-section-header v2"><h2 class="pcs-edit-section-title">'
    f"Références</h2></div>{_REFERENCES}</section></body></html>"
)

PARSOID = (  # today: action=parse in the vector-2022 template
    f'<!doctype html><html class="client-js vector-toc-available" lang="fr" dir="ltr"><head>{_SCRIPT}</head>'
    '<body class="skin--responsive skin-vector mediawiki ltr sitedir-ltr ns-0 ns-subject page-Agnès_Holt">'
    '<div class="mw-page-container"><div class="mw-content-container"><main id="content" class="mw-body">'
    '<header class="mw-body-header vector-page-titlebar"><h1 id="firstHeading" class="firstHeading mw-first-heading">'
    '<span id="openzim-page-title" class="mw-page-title-main">Agnès Holt</span></h1></header><a id="top"></a>'
    '<div id="bodyContent" class="vector-body"><div id="contentSub"><div id="mw-content-subtitle"></div></div>'
    '<div id="mw-content-text" class="mw-body-content">'
    '<div class="mw-content-ltr mw-parser-output" lang="fr" dir="ltr">'
    '<div class="shortdescription nomobile noexcerpt noprint searchaux" style="display:none">Peintre française</div>'
    f'{_HATNOTE}<style data-mw-deduplicate="TemplateStyles:r1">.mw-parser-output .x{{color:red}}</style>{_BOX}{_LEAD}'
    '<div id="toc" class="toc" role="navigation"><h2 id="mw-toc-heading">Sommaire</h2><ul>'
    "<li>Une ligne du sommaire qui "
    "est assez longue</li></ul></div>"
    f'<div class="mw-heading mw-heading2"><h2 id="Biographie">Biographie</h2></div>{_LIFE}{_MATH}'
    f'<div class="mw-heading mw-heading3"><h3 id="Atelier">Atelier</h3></div>{_THUMB}{_AREA}{_ITEMS}'
    '<div class="mw-heading mw-heading2"><h2 id="Bibliographie">Bibliographie sélective</h2></div>'
    "<ul><li>Jean Pain, Les peintres boulangers du Nord, Lille, 1977.</li></ul>"
    '<div class="mw-heading mw-heading3"><h3>En anglais</h3></div><p>Bread and Paint, a book about her, 1980.</p>'
    f'<div class="mw-heading mw-heading2"><h2 id="Postérité">Postérité</h2></div>{_LAST}'
    f'<div class="mw-heading mw-heading2"><h2 id="Notes">Notes et références</h2></div>{_REFERENCES}{_NAVBOX}'
    '</div></div></div><div class="zim-footer">Cet article est publié par Wikipédia.</div></main></div></div>'
    "</body></html>"
)

ALL = {"details": DETAILS, "mobile": MOBILE, "parsoid": PARSOID}
