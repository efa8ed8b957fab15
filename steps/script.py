"""Step 1: what the portrait says, in one language.

Facts are looked up in an offline encyclopaedia, a model writes from those facts alone, and rules in code decide whether
that may be spoken. A draft that breaks a rule goes back with the reasons; in the end its broken sentences are left out;
when nothing sound remains the step fails with those reasons. Every sentence keeps the paragraphs that it rests on.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steps import prompts
from steps.base import Check, Context, LocalStep, Result
from steps.errors import BadOutput, InvalidInput, ResourceMissing
from steps.external.llm import Chat
from steps.options import Language, StepOptions
from steps.writing import (
    LANGUAGE_NAMES,
    OWN_DATA,
    Broken,
    DraftSentence,
    Rules,
    ScriptDraft,
    count_words,
    known_artist,
    own_data,
    rules_for,
    tidy,
    without,
)
from zim.archive import Library
from zim.errors import ZimError
from zim.research import Fact, research

_BRACKETED = re.compile(r"\s*\([^()]*\)")
_libraries: dict[tuple[Any, ...], Library] = {}
_libraries_lock = threading.Lock()


class Script(LocalStep):
    """Write the script."""

    name = "script"
    number = 1
    title = "Write what the portrait says"
    per_language = True
    needs = ("prepare",)
    asks = ("text",)

    def run(self, context: Context) -> Result:
        """Return the script and where each sentence comes from.

        Raises:
            ResourceMissing: an archive is configured for the language, but it cannot be used.
            ServiceUnavailable, ServiceRefused: the language model does not answer, or refuses.
            BadOutput: no draft kept the rules; `facts["reasons"]` says why.
        """
        language = _language_of(context)
        facts = _research(context, language)
        rules = rules_for(
            context.subject,
            language,
            facts={number: fact.text for number, fact in facts.items()},
            local=_local_names(facts),
            options=context.options.script,
        )
        chat = Chat(context.options.llm.text)
        draft, tries = _write(chat, context, rules, facts=facts)
        data = _data(context, draft, facts) | {"model": chat.answered_by}
        path = context.work / "script.json"
        whole = data | {"language": language, "tries": tries, "title": context.subject.title}
        path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", "utf-8")
        return Result(files={"script": path}, data=data, checks=_checks(draft, context.options, tries))


def _language_of(context: Context) -> Language:
    for language in LANGUAGE_NAMES:
        if context.variant == language:
            return language
    raise InvalidInput(f"A script is written in {' or '.join(LANGUAGE_NAMES)}, not in {context.variant!r}.")


def _research(context: Context, language: Language) -> dict[int, Fact]:
    """Return facts by their ids, from 1."""
    options, subject = context.options, context.subject
    if language not in options.zim:
        return {}
    try:
        found = research(
            _library(options),
            language,
            artist=known_artist(subject),
            sitter=subject.sitter,
            title=subject.title,
            year=subject.year,
            limit=options.script.facts,
        )
    except ZimError as error:
        raise ResourceMissing(str(error), path=str(error.path)) from error
    return dict(enumerate(found, start=1))


def _local_names(facts: Mapping[int, Fact]) -> dict[str, str]:
    """Return how title, artist and sitter are called in the encyclopaedia's language: as their articles are.

    "Leonardo da Vinci" is "Léonard de Vinci" in French; the search has already made sure that they are the same.
    """
    keys = {"work": "title", "artist": "artist", "sitter": "sitter"}
    return {keys[fact.about]: _BRACKETED.sub("", fact.article).strip() for fact in facts.values()}


def _library(options: StepOptions) -> Library:
    """Return the archives, kept open for the whole process: opening them for every script would cost seconds."""
    key = (tuple(sorted(options.zim.items())), options.state_dir)
    with _libraries_lock:
        if key not in _libraries:
            paths: dict[str, Path] = dict(options.zim.items())
            _libraries[key] = Library(paths, state_dir=options.state_dir)
        return _libraries[key]


def _write(chat: Chat, context: Context, rules: Rules, *, facts: Mapping[int, Fact]) -> tuple[ScriptDraft, int]:
    """Ask until a draft keeps the rules, and return it with the number of tries that it took."""
    tries = context.options.script.tries
    reasons: Sequence[str] = ()
    saved: ScriptDraft | None = None
    for attempt in range(tries):
        try:
            draft = _ask(chat, context, rules, facts=facts, reasons=reasons, attempt=attempt)
        except BadOutput as bad:
            found = bad.facts.get("reasons")
            reasons = [str(one) for one in found] if isinstance(found, list) else [str(bad)]
            continue
        broken = rules.check(draft)
        if not broken:
            return draft, attempt + 1
        reasons = [one.reason for one in broken]
        saved = _mended(draft, broken, rules) or saved
    if saved is not None:
        return saved, tries
    raise BadOutput(
        f"The language model wrote no script that keeps the rules in {tries} tries. The last one: "
        + " ".join(list(reasons)[:5]),
        reasons=list(reasons),
    )


def _mended(draft: ScriptDraft, broken: Sequence[Broken], rules: Rules) -> ScriptDraft | None:
    """Return the draft without its broken sentences, when that alone makes it sound."""
    rest = without(draft, broken)
    return rest if rest is not None and not rules.check(rest) else None


def _ask(
    chat: Chat, context: Context, rules: Rules, *, facts: Mapping[int, Fact], reasons: Sequence[str], attempt: int
) -> ScriptDraft:
    options, language = context.options.script, rules.language
    material = {
        "language": language,
        "max_words": options.max_words,
        "painting": own_data(context.subject) | _local_names(facts) | {"id": OWN_DATA, "sex": _sex(context)},
        "facts": [
            {"id": number, "about": fact.about, "article": fact.article, "text": fact.text}
            for number, fact in facts.items()
        ],
    }
    name = LANGUAGE_NAMES[language]
    values: dict[str, Any] = {"language_name": name, "data": prompts.as_data(material)}
    if reasons:
        values["reasons"] = "\n".join(f"- {reason}" for reason in reasons)
    draft = chat.ask(
        ScriptDraft,
        system=prompts.load("script_system").fill(
            language_name=name, min_words=options.min_words, max_words=options.max_words
        ),
        user=prompts.load("script_again" if reasons else "script_user").fill(**values),
        schema_name="script",
        seed=context.seed + attempt,
    )
    return ScriptDraft(
        sentences=[DraftSentence(text=tidy(one.text, language) or "-", facts=one.facts) for one in draft.sentences]
    )


def _sex(context: Context) -> str:
    return str(context.made["prepare"].data.get("sex", "unknown")) if "prepare" in context.made else "unknown"


def _data(context: Context, draft: ScriptDraft, facts: Mapping[int, Fact]) -> dict[str, Any]:
    text = " ".join(sentence.text for sentence in draft.sentences)
    return {
        "text": text,
        "sentences": [
            {
                "text": sentence.text,
                "sources": [_source(facts[number]) for number in sentence.facts if number in facts],
                "own_data": OWN_DATA in sentence.facts,
            }
            for sentence in draft.sentences
        ],
        "facts": [_source(fact) | {"id": number, "text": fact.text} for number, fact in facts.items()],
        "words": count_words(text),
        "prompt_version": prompts.load("script_system").version,
    }


def _source(fact: Fact) -> dict[str, Any]:
    return {"article": fact.article, "archive": fact.archive, "paragraph": fact.paragraph, "about": fact.about}


def _checks(draft: ScriptDraft, options: StepOptions, tries: int) -> tuple[Check, ...]:
    words = sum(count_words(sentence.text) for sentence in draft.sentences)
    founded = sum(any(number != OWN_DATA for number in sentence.facts) for sentence in draft.sentences)
    return (
        Check("script.words", words, f"<= {options.script.max_words}", "words"),
        Check("script.sentences_with_sources", founded, ">= 0"),
        Check("script.tries", tries, f"<= {options.script.tries}"),
    )
