"""Step 1: what the portrait says, in one language.

Facts are looked up in an offline encyclopaedia, a model writes from those facts alone, and rules in code decide whether
that may be spoken. A draft that breaks a rule goes back with the reasons; in the end its broken sentences are left out;
when nothing sound remains the step fails with those reasons. Every sentence keeps the paragraphs that it rests on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steps import prompts, voices
from steps.base import Check, Context, LocalStep, Result
from steps.errors import BadAnswer, BadOutput, InvalidInput
from steps.external.llm import Chat
from steps.facts import facts_for, local_names, source_of
from steps.hooks import hook_of, manner_of
from steps.options import Language, ScriptOptions
from steps.script_text import count_words, tidy
from steps.writing import (
    LANGUAGE_NAMES,
    OWN_DATA,
    Broken,
    DraftSentence,
    Rules,
    ScriptDraft,
    own_data,
    rules_for,
    without,
)
from zim.research import Fact


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
            ResourceMissing: an archive is configured for the language, but it cannot be used; or a prompt cannot.
            ServiceUnavailable, ServiceRefused: the language model does not answer, or refuses.
            BadOutput: no draft kept the rules; `facts["reasons"]` says why.
        """
        attempt = attempt_at(context)
        data = attempt.data()
        path = context.work / "script.json"
        whole = data | {"language": attempt.rules.language, "title": context.subject.title}
        path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", "utf-8")
        return Result(files={"script": path}, data=data, checks=attempt.checks())


@dataclass(frozen=True)
class Tried:
    """One draft, and the rules that it broke."""

    draft: ScriptDraft
    broken: tuple[Broken, ...]


@dataclass(frozen=True)
class Attempt:
    """A script that keeps the rules, with everything that led to it."""

    draft: ScriptDraft
    facts: Mapping[int, Fact]
    rules: Rules
    written: Mapping[str, Any]  # model, prompt_version, seed, tokens
    tried: Sequence[Tried] = field(default_factory=tuple)

    @property
    def text(self) -> str:
        """The whole script."""
        return " ".join(sentence.text for sentence in self.draft.sentences)

    def data(self) -> dict[str, Any]:
        """Return it for later steps, the review and the report."""
        return {
            "text": self.text,
            "mood": self.draft.mood,
            "hook": hook_of(self.text),
            "sentences": [
                {
                    "text": sentence.text,
                    "sources": [source_of(self.facts[number]) for number in sentence.facts if number in self.facts],
                    "own_data": OWN_DATA in sentence.facts,
                }
                for sentence in self.draft.sentences
            ],
            "facts": [source_of(fact) | {"id": number} for number, fact in self.facts.items()],
            "words": count_words(self.text),
            "broken": [one.reason for tried in self.tried for one in tried.broken],
            **self.written,
        }

    def checks(self) -> tuple[Check, ...]:
        """Return what was measured about it."""
        founded = sum(any(number != OWN_DATA for number in one.facts) for one in self.draft.sentences)
        return (
            Check("script.words", count_words(self.text), f"<= {self.rules.options.max_words}", "words"),
            Check("script.sentences_with_sources", founded, ">= 0"),
            Check("script.tries", self.written["tries"], f"<= {self.rules.options.tries}"),
        )


def attempt_at(context: Context) -> Attempt:
    """Look up the facts and write the script; nothing is left on disk. Blocks; raises as `Script.run` does."""
    language = _language_of(context)
    facts = facts_for(context, language)
    past = context.options.past.hooks.get(language, ())
    options = _limits(context, language)
    rules = rules_for(
        context.subject,
        language,
        facts={number: fact.text for number, fact in facts.items()},
        local=local_names(facts),
        options=options,
        hooks=past[-options.hooks_remembered :] if options.hooks_remembered else (),
    )
    return _written(context, rules, facts)


def _language_of(context: Context) -> Language:
    for language in LANGUAGE_NAMES:
        if context.variant == language:
            return language
    raise InvalidInput(f"A script is written in {' or '.join(LANGUAGE_NAMES)}, not in {context.variant!r}.")


def _limits(context: Context, language: Language) -> ScriptOptions:
    """Return the settings, with no more words than this voice can say in the time there is."""
    fitting = voices.words_that_fit(context.options, context.subject, _prepared(context), language=language)
    options = context.options.script
    return options.model_copy(update={"max_words": min(options.max_words, fitting)})


def _written(context: Context, rules: Rules, facts: Mapping[int, Fact]) -> Attempt:
    """Ask until a draft keeps the rules; when none does, leave sentences out of the latest that this mends."""
    options, chat = context.options, Chat.for_item(context.options, "text", item_id=context.subject.item_id)
    system = prompts.load("script_system", options.prompts_dir)
    user = prompts.load("script_user", options.prompts_dir)
    name, limits = LANGUAGE_NAMES[rules.language], rules.options
    tried: list[Tried] = []

    def check(draft: ScriptDraft) -> list[str]:
        tidied = _tidied(draft, rules.language)
        tried.append(Tried(tidied, tuple(rules.check(tidied))))
        return [one.reason for one in tried[-1].broken]

    try:
        answer = chat.answer(
            ScriptDraft,
            system=system.fill(
                language_name=name,
                min_words=limits.min_words,
                max_words=limits.max_words,
                manner=manner_of(context.subject.item_id, context.options.past.items, seed=context.seed),
            ),
            user=user.fill(language_name=name, data=prompts.as_data(_material(context, rules, facts))),
            schema_name="script",
            seed=context.seed,
            prompt_version=prompts.version_of((system, user)),
            check=check,
            repairs=limits.tries - 1,
        )
    except BadAnswer as bad:
        written: dict[str, Any] = {"model": chat.answered_by, "prompt_version": prompts.version_of((system, user))}
        written |= {"seed": context.seed + limits.tries - 1, "tries": limits.tries}
        return Attempt(_mended(tried, rules, bad), facts, rules, written, tried)
    return Attempt(tried[-1].draft, facts, rules, answer.as_data(), tried)


def _tidied(draft: ScriptDraft, language: Language) -> ScriptDraft:
    sentences = [DraftSentence(text=tidy(one.text, language) or "-", facts=one.facts) for one in draft.sentences]
    return draft.model_copy(update={"sentences": sentences})


def _mended(tried: Sequence[Tried], rules: Rules, bad: BadAnswer) -> ScriptDraft:
    """Return the latest draft that is sound without its broken sentences.

    Raises:
        BadOutput: there is none.
    """
    for one in reversed(tried):
        rest = without(one.draft, one.broken)
        if rest is not None and not rules.check(rest):
            return rest
    found = bad.facts.get("reasons")
    reasons = [str(reason) for reason in found] if isinstance(found, list) else [str(bad)]
    tries = rules.options.tries
    raise BadOutput(
        f"The language model wrote no script that keeps the rules in {tries} tries. The last one: "
        + " ".join(reasons[:5]),
        reasons=reasons,
    ) from bad


def _material(context: Context, rules: Rules, facts: Mapping[int, Fact]) -> dict[str, Any]:
    items = context.options.past.items
    item = context.subject.item_id
    return {
        "language": rules.language,
        "max_words": rules.options.max_words,
        "place": items.index(item) if item in items else None,
        "used_up": list(rules.hooks),
        "painting": own_data(context.subject) | local_names(facts) | {"id": OWN_DATA, "sex": _sex(context)},
        "facts": [
            {"id": number, "about": fact.about, "article": fact.article, "text": fact.text}
            for number, fact in facts.items()
        ],
    }


def _prepared(context: Context) -> Mapping[str, Any]:
    return context.made["prepare"].data if "prepare" in context.made else {}


def _sex(context: Context) -> str:
    """Return "female", "male" or "unknown", as the prompts and the embedded writer know it."""
    seen = str(_prepared(context).get("sex", "unknown"))
    return {"woman": "female", "man": "male"}.get(seen, seen)
