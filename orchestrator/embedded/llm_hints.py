"""What the words of a caption say about the person in a picture: sex, age, nudity, and how many there are.

The embedded vision model cannot see these, so it reads the title, the sitter and the tags that it is told. Small word
lists, French and English; no word, no opinion. They are kept apart because they are nothing but lists.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Sex = Literal["female", "male", "unknown"]
Age = Literal["child", "young", "old", "unknown"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FEMALE_ROLES = _words(
    "actress actrice ballerina baroness baronne bergere bride comedienne comtesse countess courtesan couturiere "
    "dame danseuse daughter dona donna duchess duchesse empress epouse female femme fiancee fille fillette girl "
    "gouvernante grandmother grand-mere housewife imperatrice infanta infante lady laundress mademoiselle madame "
    "madonna maid maiden marchioness mariee marquise mere milkmaid miss mlle mme mona mother mrs ms muse "
    "nurse nun oiran paysanne princess princesse queen reine religieuse repasseuse sainte servante shepherdess "
    "sister soeur spinner tante veuve widow wife woman"
)
MALE_ROLES = _words(
    "abbe acteur admiral amiral archbishop archduke astronomer baron bishop boy boyar brother burgomaster capitaine "
    "captain cardinal chevalier clergyman colonel comte condottiere count courtier don doge duc duke emperor empereur "
    "eveque father fils fisherman frere garcon general gentilhomme gentleman geographer grandfather grand-pere homme "
    "husband jester jeweller king knight lord male man mari marquis merchant messire moine monk monsieur mr musketeer "
    "nobleman officer officier painter pape paysan pere pope priest prince prophet roi sailor samurai senator "
    "shepherd shogun sir smith soldat soldier son tailor tsar"
)
FEMALE_NAMES = _words(
    "adele adelaide agnes alice amelia amelie anna anne annette antoinette aurore barbara beatrice bianca blanche "
    "camilla caroline caterina catherine cecile cecilia celeste charlotte claire clara clemence constance cornelia "
    "diana diane dora eleanor eleonora eleonore elisabeth elise elizabeth ella eloise emilia emilie emily emma esther "
    "eugenie eva flora francesca gabrielle genevieve ginevra giovanna giulia grace helen helena helene hendrickje "
    "henriette hortense ida ines irene isabella isabelle jacqueline jane jeanne joan josephine judith julia julie "
    "juliette laura laure lea lily lisa lise louise lucia lucie lucrezia lucy ludivine madeleine magdalena margaret "
    "margarita margherita marguerite maria marianne marie marthe martha mary mathilde matilda maud nina olga olympia "
    "ophelia pauline philippa rosa rosalba rosalie rose sabine sarah saskia simonetta sofia sophia sophie susanna "
    "suzanne sylvie teresa theodora therese ursula valentine veronica victoire victoria violante violette virginia "
    "virginie yvonne zoe"
)
MALE_NAMES = _words(
    "adam adrien albert albrecht alessandro alexander alexandre alfred alphonse ambroise andre andrea andrew anselme "
    "anthony antoine anton antonio armand arnold arthur auguste augustin baldassare baltasar baptiste barthelemy "
    "bastien benedict benjamin bernard bertrand carlo cesar charles christian christophe claude clement cosimo "
    "cornelis daniel david denis diego domenico edgar edmond edouard edward emile enrico erasmus ernest etienne eugene "
    "fabien federico felipe felix ferdinand fernand filippo francesco francis francois frans frederic frederick "
    "friedrich gaspard gaston georg george georges gerard giacomo giorgio giovanni giuliano giuseppe guillaume gustav "
    "gustave guy hans harold heinrich hendrick henri henry hippolyte honore horace hubert hugo ignace isaac jacob "
    "jacques jakob james jan jean jeronimus jerome johann johannes john jonas jorge joseph joshua juan jules julien "
    "karl konrad lambert laurent leon leonard leonardo leopold lorenzo louis luc luca lucas lucien ludovico luigi "
    "marcel marco mark martin mathieu matteo matthew maurice max maximilian michael michel miguel napoleon nathaniel "
    "niccolo nicholas nicolas octave oliver oscar paolo pascal patrick paul pedro peter philip philippe pierre pieter "
    "pietro rembrandt rene richard robert rodolphe roger roland rudolf samuel sebastian sebastien siegfried simon "
    "stefan stephane stephen theodore theophile thomas tobias tommaso ugo victor vincent vincenzo walter wilhelm "
    "willem william wolfgang xavier yves"
)
_CHILD = _words(
    "baby bambino bebe boy cherub child children enfant enfants fillette garcon garconnet infant infanta kamuro kid "
    "putto schoolboy schoolgirl toddler"
)
_CHILD_PHRASES = ("little girl", "petite fille", "petit garcon", "little boy", "young girl")
_PERHAPS_CHILD = _words("girl")
_OLD = _words(
    "aged aieul aieule ancien elderly grandfather grandmother grand-mere grand-pere old veteran vieil vieillard "
    "vieille vieux"
)
_YOUNG = _words("demoiselle girl jeune jouvenceau maiden mademoiselle miss mlle page young youth")
_SEVERAL = _words(
    "bal ball bathers baigneuses children cousines cousins couple crowd daughters deux double enfants family famille "
    "filles foule freres girls group groupe joueurs lovers men musicians pair players sisters soeurs sons three trois "
    "two women"
)
_PORTRAIT = _words("bildnis portrait portraits retrato ritratto self-portrait autoportrait")
_NUDE = _words("baigneuse baigneuses bather bathers naked nu nude nudes nue nues nus odalisque")
_A_CHILD = 0.5  # of `child_of`: surer than a guess


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, lower case, without accents, ligatures opened."""
    opened = text.lower().replace("œ", "oe").replace("æ", "ae")
    plain = "".join(c for c in unicodedata.normalize("NFKD", opened) if not unicodedata.combining(c))
    return re.findall(r"[a-z]+(?:-[a-z]+)*", plain)


def sex_of(*texts: str) -> Sex:
    """Return the sex that captions name, most telling text first: a role such as "lady" before a given name."""
    for female, male in ((FEMALE_ROLES, MALE_ROLES), (FEMALE_NAMES, MALE_NAMES)):
        for text in texts:
            for word in words_of(text):
                if word in female:
                    return "female"
                if word in male:
                    return "male"
    return "unknown"


def age_of(text: str) -> Age:
    """Return the age that a caption names."""
    if child_of(text) > _A_CHILD:
        return "child"
    words = words_of(text)
    if _OLD.intersection(words):
        return "old"
    return "young" if _YOUNG.intersection(words) else "unknown"


def is_of_several(text: str) -> bool:
    """Tell whether a caption speaks of several people."""
    return bool(_SEVERAL.intersection(words_of(text)))


def portrait_of(*texts: str) -> float:
    """Return how much captions speak for a portrait of one person, 0 to 0.5."""
    joined = " ".join(texts)
    if is_of_several(joined):
        return 0.0
    named = 0.2 if sex_of(*texts) != "unknown" else 0.0
    return named + (0.3 if _PORTRAIT.intersection(words_of(joined)) else 0.0)


def child_of(text: str) -> float:
    """Return how likely a caption makes it that a child is shown, 0 to 0.9."""
    words = words_of(text)
    if _CHILD.intersection(words) or any(phrase in " ".join(words) for phrase in _CHILD_PHRASES):
        return 0.9
    return 0.3 if _PERHAPS_CHILD.intersection(words) else 0.05


def nudity_of(text: str) -> float:
    """Return how likely a caption makes it that nudity is shown, 0 to 0.9."""
    return 0.9 if _NUDE.intersection(words_of(text)) else 0.0
