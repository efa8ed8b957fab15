"""Probes of what the first steps ask: offline Wikipedia and the language models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.doctor.findings import Finding, Grade
from steps.options import LlmEndpoint

ANSWER_S = 10.0


def archives(language: str, paths: Sequence[Path], state_dir: Path) -> Iterator[Finding]:
    """Open the ZIM archives of a language and say what is known of their checksums; only small ones are tested here."""
    from zim.archive import Library
    from zim.errors import ZimError

    subject, broken, usable = f"ZIM {language}", list[ZimError](), 0
    for path in paths:
        library = Library({language: path}, state_dir=state_dir, check_beside=False)
        try:
            library.archive(language).close()
        except ZimError as error:
            broken.append(error)
            continue
        usable += 1
        known = library.checked(path)
        if known is None:
            found = f"{path}; its checksum is not tested yet: a night tests it beside its work"
            yield Finding(subject, Grade.OK, found, "nightreel zim check tests it now")
        elif known.whole:
            yield Finding(subject, Grade.OK, str(path))
        else:
            found = f"{path}: its checksum is wrong; articles that cannot be read are left out"
            yield Finding(subject, Grade.WARNING, found, "copy or download it again")
    for lost in broken:
        grade = Grade.WARNING if usable else Grade.PROBLEM
        yield Finding(subject, grade, str(lost), f"correct zim.{language}, or drop the key")


def language_model(which: str, endpoint: LlmEndpoint) -> Iterator[Finding]:
    """Ask a server for its models."""
    import requests

    if endpoint.url is None:
        yield Finding(f"LLM {which}", Grade.OK, "the embedded one: previews")
        return
    url = f"{endpoint.url.rstrip('/')}/models"
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    remedy = f"start the server, or correct llm.{which}.url"
    try:
        reply = requests.get(url, headers=headers, timeout=ANSWER_S)
        if reply.status_code in (401, 403):
            found = f"{url} answers HTTP {reply.status_code}: our key is not accepted"
            yield Finding(f"LLM {which}", Grade.PROBLEM, found, f"correct llm.{which}.api_key")
            return
        served = [str(one.get("id")) for one in reply.json().get("data", [])]
    except (requests.RequestException, ValueError, AttributeError) as error:
        yield Finding(f"LLM {which}", Grade.PROBLEM, f"{url}: {type(error).__name__}", remedy)
        return
    if endpoint.model not in served and endpoint.model != "default":
        yield Finding(
            f"LLM {which}",
            Grade.WARNING,
            f"{url} serves {', '.join(served) or 'nothing'}; llm.{which}.model is {endpoint.model}",
            "a server that loads models on demand may still have it",
        )
    else:
        yield Finding(f"LLM {which}", Grade.OK, f"{endpoint.url} ({endpoint.model})")
