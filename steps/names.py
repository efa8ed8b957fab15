"""Names, as far as code must know them: capitals that name nobody, first names, and places with several names."""

from __future__ import annotations

from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOT_NAMES = _words(  # folded; written with a capital in one language or both, and no claim
    "i i'm i'd i'll i've january february march april may june july august september october november december monday "
    "tuesday wednesday thursday friday saturday sunday mr mrs ms miss mister sir lady lord madam madame monsieur "
    "mesdames messieurs mademoiselle mme mlle dr st saint sainte god dieu lord christmas noel easter oh ah psst chut "
    "shh hush ok majesty majeste highness altesse excellency excellence ma'am maman papa mum mama"
)
FIRST_NAMES = _words(  # folded; first words of a sentence that are names all the same
    "adele agnes albert albrecht alexander alexandre alfred alice amedeo andrea anna anne annibale anthony antoine "
    "antonio artemisia auguste baldassare beatrice bernardo berthe botticelli boucher camille caravaggio caroline "
    "catherine cecilia cezanne charles charlotte chardin christine claude clara constable corot courbet cranach "
    "daumier david degas delacroix diego domenico donatello durer edgar edouard edvard edward egon eleanor elisabeth "
    "elizabeth emile emma eugene felix ferdinand fragonard frans frida francesca francesco francis francisco francois "
    "frederic friedrich gainsborough gauguin georges gerard giorgione giotto giovanni giuseppe goya greco gustav "
    "gustave hals hans helene henri henry hogarth hokusai holbein ingres isabella jacob jacques jan jean jeanne "
    "johannes john joseph josephine joshua judith jules juliette katsushika klimt laura leonard leonardo lisa lizzie "
    "louis louise lucas lucian lucrezia madeleine manet marc margaret margarita margherita marguerite maria marie "
    "mary matisse maurice max michelangelo modigliani mona monet morisot munch napoleon nicolas olympia otto pablo "
    "paul picasso pierre pieter pietro pissarro poussin raphael raffaello rembrandt renoir reynolds richard robert "
    "rosa rubens samuel sandro sargent saskia schiele sebastiano simonetta sofia sophie tamara theodore thomas "
    "tintoretto titian tiziano toulouse turner vasari vasily velazquez vermeer veronese victor victoria victorine "
    "vigee vincent virginie warhol watteau whistler wilhelm william"
)
_SAME = (  # folded; one place or person in each
    "london londres", "florence firenze", "venice venise venezia", "rome roma", "vienna vienne wien",
    "genoa genes genova", "antwerp anvers antwerpen", "ghent gand gent", "bruges brugge", "hague haye haag",
    "naples napoli", "milan milano", "munich munchen", "cologne koln", "prague praha", "warsaw varsovie",
    "moscow moscou", "turin torino", "siena sienne", "parma parme", "padua padoue padova", "mantua mantoue mantova",
    "bologna bologne", "seville sevilla", "basel bale", "geneva geneve", "dresden dresde", "leyden leyde leiden",
    "brussels bruxelles", "lisbon lisbonne", "athens athenes", "copenhagen copenhague kobenhavn",
    "edinburgh edimbourg", "england angleterre", "spain espagne", "germany allemagne", "netherlands pays-bas",
    "holland hollande", "austria autriche", "switzerland suisse", "scotland ecosse", "greece grece", "sweden suede",
    "norway norvege", "japan japon", "egypt egypte", "turkey turquie", "poland pologne", "united etats",
    "states unis", "burgundy bourgogne", "brittany bretagne", "tuscany toscane", "flanders flandre flandres",
    "james jacques jacopo", "william guillaume wilhelm", "john jean giovanni johannes", "peter pierre pietro pieter",
    "francis francois francesco francisco", "leo leon", "julius jules", "paul paolo", "joan jeanne giovanna",
    "lewis louis", "james jaime", "stephen etienne", "helen helene", "frederick frederic friedrich",
    "philip philippe felipe", "titian tiziano titien", "raphael raffaello", "michelangelo michel-ange",
    "mary marie maria", "henry henri", "elizabeth elisabeth", "isabella isabelle", "eleanor eleonore",
    "charles carlos karl", "joconde gioconda",
)  # fmt: skip
EXONYMS: Mapping[str, frozenset[str]] = {
    word: frozenset(other for line in _SAME if word in line.split() for other in line.split())
    for line in _SAME
    for word in line.split()
}
