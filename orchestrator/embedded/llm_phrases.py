"""What the embedded writer can say: phrases by their place in the monologue, French and English.

A phrase is used when every name in its braces is known. `{e}` is the French feminine ending of the sitter's past
participles; a phrase that has it is left out when the sex is unknown. `{que_fact}` is a fact as a subordinate clause
("qu'il naquit à Rome", "that he was born in Rome"), `{fact}` one after a colon. Numbers come from the data alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrases:
    """One language's phrases."""

    openings: tuple[str, ...]  # know nothing
    identities: tuple[str, ...]  # sitter, title, artist, year; the richest that fits is preferred
    jokes: tuple[str, ...]  # about the painter
    gossip: tuple[str, ...]  # about a portrait's life
    of_artist: tuple[str, ...]  # frames for facts, by what they are about
    of_sitter: tuple[str, ...]
    of_work: tuple[str, ...]
    closings: tuple[str, ...]  # lead back to the picture


FRENCH = Phrases(
    openings=(
        "Chut, approchez un peu, je ne parle pas souvent aux gens qui passent.",
        "Oui, vous, là, juste devant moi : cessez donc de me fixer comme ça.",
        "Je vous préviens, je n'ai pas bougé depuis une éternité, et ça me démange.",
        "Ah, enfin quelqu'un qui me regarde dans les yeux.",
        "Ne faites pas semblant de passer, je vous ai vu ralentir.",
        "Vous clignez des yeux, moi jamais : à ce jeu-là, je gagne toujours.",
        "Entre nous, je commençais à m'ennuyer ferme dans ce cadre.",
        "Vous croyez me regarder, mais c'est moi qui vous observe.",
        "Attendez, je remets mon visage en place, voilà, je suis à vous.",
        "On m'a demandé de me taire, alors forcément, je vais tout vous dire.",
        "Quand le gardien s'endort, je me repose enfin les joues.",
        "Je sais ce que vous pensez : j'ai l'air de cacher quelque chose.",
        "Baissez la voix, les autres tableaux ne savent pas que je parle.",
        "Vous avez une minute pour moi ? J'ai l'éternité, mais je me dépêche.",
    ),
    identities=(
        "Je m'appelle {sitter}, et {artist} m'a peint{e} en {year}, sans jamais me demander mon avis.",
        "{sitter}, c'est moi, telle {que_artist} m'a vue en {year}.|female",
        "{sitter}, c'est moi, tel {que_artist} m'a vu en {year}.|male",
        "Je suis {sitter}, et c'est {artist} qui m'a mis{e} dans ce cadre.",
        "On m'appelle « {title} », un nom choisi sans moi, et {artist} m'a peint{e} en {year}.",
        "« {title} », c'est moi, et c'est {artist} qui m'a donné ce visage en {year}.",
        "C'est {artist} qui m'a donné ce visage, en {year}, et je lui en veux encore un peu.",
        "Je suis l'œuvre {of_artist}, et je me trouve plutôt bien conservé{e}.",
        "Mon visage, je le dois à {artist}, et nous en avons passé, des heures, face à face.",
        "Je m'appelle {sitter}, et je tiens à ce qu'on le prononce bien.",
        "On m'appelle « {title} », et personne ne m'a demandé mon avis.",
        "Mon nom s'est perdu quelque part, mais moi, je suis toujours là.",
        "Je n'ai plus de nom, mais j'ai encore bonne mine, et c'est le principal.",
    ),
    jokes=(
        "{artist} me répétait de ne pas bouger, et moi, je rêvais d'une bonne soupe.",
        "Les heures de pose avec {artist}, je ne les souhaite à personne.",
        "Entre nous, {artist} m'a un peu arrangé le nez, et je ne m'en plains pas.",
        "Si {artist} réclame encore une séance, dites que je suis sorti{e}.",
        "{artist} a gardé la gloire, et moi, j'ai gardé les courbatures.",
        "À force de me fixer, {artist} connaissait mon visage mieux que ma propre mère.",
        "Je n'ai jamais osé dire à {artist} que j'avais une crampe au pied.",
        "Pour {artist}, j'étais une lumière et quelques ombres, rien de plus.",
        "Le jour où {artist} a posé son dernier coup de pinceau, j'ai enfin pu me gratter le nez.",
        "Je soupçonne {artist} d'avoir soigné mes mains pour ne pas finir mes oreilles.",
    ),
    gossip=(
        "Garder la pose, c'est un métier, et je n'ai jamais été payé{e}.",
        "Le plus dur, ce n'est pas de sourire, c'est de s'arrêter juste avant.",
        "La nuit, je discute avec les cadres voisins, et croyez-moi, j'en apprends.",
        "On me prend en photo toute la journée, et jamais on ne me montre le résultat.",
        "J'ai un secret sous le vernis, mais je ne le dis qu'aux gens patients.",
        "Le vernis me va bien au teint, c'est mon seul secret de beauté.",
        "Vous vieillissez, je craquelle : chacun ses soucis.",
        "Je ne suis pas raide, je suis concentré{e}, et cela fait une grande différence.",
        "Mon fond est un peu sombre, mais j'ai le regard qui porte.",
        "Des siècles que je tiens la pose, et pas une ride de plus.|old",
        "J'ai vu passer tant de modes que j'ai cessé de compter les chapeaux.|old",
    ),
    of_artist=(
        "De mon peintre, on raconte {que_fact}.",
        "Les livres disent {que_fact}, et je n'ai rien à corriger.",
        "Sachez {que_fact} : voilà à qui j'avais affaire.",
        "Sur l'artiste qui m'a fait, je peux vous dire ceci : {fact}.",
        "On m'a glissé à l'oreille {que_fact}, et j'y crois volontiers.",
    ),
    of_sitter=(
        "On écrit de moi {que_fact}, et je laisse dire.",
        "Il paraît {que_fact} : oui, c'est bien de moi qu'on parle.",
        "Les savants prétendent {que_fact}, et je ne les contredis pas.",
        "Sur moi, on lit ceci : {fact}.",
    ),
    of_work=(
        "De mon portrait, on raconte {que_fact}.",
        "Il paraît {que_fact}, et moi, là-dedans, je n'ai fait que poser.",
        "Je vous confie ce qu'on dit de ce tableau : {fact}.",
        "On m'assure {que_fact}, et personne ne m'avait prévenu{e}.",
    ),
    closings=(
        "Allez, filez, et revenez me voir : moi, je ne bouge pas.",
        "Voilà, je me tais, je reprends la pose, et nous ne nous sommes jamais parlé.",
        "Maintenant, chut, quelqu'un vient, je redeviens un tableau.",
        "Regardez-moi encore une fois, et jurez que je n'ai pas bougé.",
        "Si on vous demande, je n'ai rien dit, je ne suis qu'un peu de peinture.",
        "Je reprends mon air sérieux, mais vous, maintenant, vous savez.",
        "Je vous laisse, le public suivant m'attend, et il ne faut pas le décevoir.",
        "Revenez demain, j'ai encore des choses à vous dire, et tout mon temps.",
        "Sur ce, je ferme la bouche et je garde mes secrets, enfin, presque tous.",
        "Ne le répétez à personne, ou plutôt si, parlez un peu de moi.",
        "Et maintenant, regardez bien : je ne bouge plus.",
    ),
)

ENGLISH = Phrases(
    openings=(
        "Psst, come closer, I don't often talk to people who walk past.",
        "Yes, you, right there in front of me, I can feel you staring.",
        "I should warn you, I haven't moved in ages, and my nose itches terribly.",
        "Ah, at last, somebody who looks me in the eye.",
        "Don't pretend you were just passing, I saw you slow down.",
        "You blink and I never do, so I win this game every single time.",
        "Between us, I was getting rather bored in this frame.",
        "You think you are looking at me, but I have been watching you all along.",
        "Give me a second to put my face back in order, and there, I am all yours.",
        "They told me to keep quiet, so naturally I am going to tell you everything.",
        "When the guard dozes off, I finally get to rest my cheeks.",
        "I know what you are thinking, and yes, I do look as if I were hiding something.",
        "Keep your voice down, the other paintings don't know that I can talk.",
        "Do you have a minute for me? I have an eternity, but I will be quick.",
    ),
    identities=(
        "My name is {sitter}, and {artist} painted me in {year} without once asking how I felt about it.",
        "{sitter}, that is me, just as {artist} saw me in {year}.",
        "I am {sitter}, and it was {artist} who put me in this frame.",
        'They call me "{title}", a name I never chose, and {artist} painted me in {year}.',
        '"{title}", that is me, and it was {artist} who gave me this face in {year}.',
        "It was {artist} who gave me this face in {year}, and I have still not quite forgiven it.",
        "I am the work of {artist}, and I find myself rather well preserved.",
        "I owe this face to {artist}, and we spent many an hour staring at each other.",
        "My name is {sitter}, and I do like to hear it pronounced properly.",
        'They call me "{title}", and nobody ever asked for my opinion.',
        "My name got lost somewhere on the way, but I am still here.",
        "I have no name any more, but I have kept my looks, and that is what matters.",
    ),
    jokes=(
        "{artist} kept telling me not to move, while I dreamt of a good hot soup.",
        "The hours I spent posing for {artist}, I would not wish on anyone.",
        "Between us, {artist} improved my nose a little, and I am not complaining.",
        "If {artist} asks for one more sitting, tell them I have gone out.",
        "{artist} got the glory, and I got the stiff neck.",
        "After all that staring, {artist} knew my face better than my own mother did.",
        "I never dared to tell {artist} that I had a cramp in my foot.",
        "To {artist} I was a light and a few shadows, and nothing more.",
        "The day {artist} put the last brush stroke on me, I could finally scratch my nose.",
        "I suspect that {artist} took such care over my hands to avoid finishing my ears.",
    ),
    gossip=(
        "Holding a pose is hard work, and I was never paid for it.",
        "The hard part is not the smile, it is stopping just before it, and I am good at that.",
        "At night I chat with the frames next door, and believe me, I hear things.",
        "They take my picture all day long, and nobody ever shows me the result.",
        "I keep a secret under the varnish, but I only tell it to patient people.",
        "Varnish suits my complexion, it is my only beauty secret.",
        "You grow older and I just crack a little, so we all have our worries.",
        "I am not stiff, I am concentrating, and that is quite a different thing.",
        "My background is a little dark, but my eyes follow you well enough.",
        "I have held this pose for centuries, and I don't have a single new wrinkle.|old",
        "I have seen so many fashions go by that I stopped counting the hats.|old",
    ),
    of_artist=(
        "They say of my painter {that_fact}.",
        "The books say {that_fact}, and I have nothing to correct.",
        "You should know {that_fact}, so you see what I had to deal with.",
        "About the artist who made me, I can tell you this: {fact}.",
        "Somebody whispered to me {that_fact}, and I am quite ready to believe it.",
    ),
    of_sitter=(
        "They write about me {that_fact}, and I let them talk.",
        "It seems {that_fact}, and yes, that is me they mean.",
        "The scholars claim {that_fact}, and I don't contradict them.",
        "About me you can read this: {fact}.",
    ),
    of_work=(
        "They say about my portrait {that_fact}.",
        "It seems {that_fact}, and all I did was sit there.",
        "Let me tell you what they say about this painting: {fact}.",
        "I am told {that_fact}, and nobody had warned me.",
    ),
    closings=(
        "Off you go now, and come back to see me, I am not going anywhere.",
        "There, I will be quiet now, I take up my pose again, and we never spoke.",
        "Hush now, someone is coming, and I have to be a painting again.",
        "Look at me once more, and swear that I did not move.",
        "If anyone asks, I said nothing, I am only a little paint.",
        "I put my serious face back on, but now you know.",
        "I must leave you, my next visitor is waiting, and I hate to disappoint.",
        "Come back tomorrow, I have more to tell you, and all the time in the world.",
        "With that I close my mouth and keep my secrets, well, most of them.",
        "Don't repeat this to anyone, or rather do, I like being talked about.",
        "And now watch closely, because I have stopped moving.",
    ),
)

BY_LANGUAGE = {"fr": FRENCH, "en": ENGLISH}
