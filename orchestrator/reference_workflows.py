"""The tables of docs/workflows.md: every bundled workflow with what it needs, and every model with its licence.

Generated from the manifests between two marks of the page, so that a licence, a limit or a file name that changes in
one place cannot stay behind in the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from steps.manifest import BindingSpec, Limits, Manifest, bundled_names, load_manifest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "workflows.md"
BEGIN = "<!-- generated: {name} -->"
END = "<!-- end: {name} -->"
_WARNED = ("Non-Commercial",)
_WHOLE = 2**64 - 1


def page(current: str) -> str:
    """Return the page with its generated parts as the manifests have them now.

    Raises:
        ValueError: a mark is gone from the page.
    """
    manifests = [load_manifest(name) for name in bundled_names()]
    for name, lines in (("workflows", _workflows(manifests)), ("models", _models(manifests))):
        begin, end = BEGIN.format(name=name), END.format(name=name)
        if current.count(begin) != 1 or current.count(end) != 1:
            raise ValueError(f"{PAGE}: the marks `{begin}` and `{end}` must be there once each")
        head, _, rest = current.partition(begin)
        tail = rest.partition(end)[2]
        current = "\n".join((head + begin, "", *lines, "", end)) + tail
    return current


def base_of(manifest: Manifest) -> str:
    """Return the name of the workflow that a substitute goes back to; its own where it extends none."""
    while manifest.extends is not None:
        manifest = load_manifest(manifest.extends)
    return manifest.name


def _workflows(manifests: list[Manifest]) -> Iterator[str]:
    yield "| for | workflow | card, GiB | seconds by GB of the card | checked before it is sent | with less memory |"
    yield "|---|---|---|---|---|---|"
    for manifest in sorted(manifests, key=lambda one: (base_of(one), one.extends is not None, one.name)):
        seconds = ", ".join(f"{gb:g}: {s:g}" for gb, s in manifest.timing.expected_by_memory.items())
        rungs = ", ".join(f"`{rung.name}`" for rung in manifest.fallbacks) or "–"
        limits = "; ".join(_limits(manifest))
        cells = (f"`{base_of(manifest)}`", f"`{manifest.name}`", f"{manifest.needs.vram_gb:g}", seconds, limits, rungs)
        yield f"| {' | '.join(cells)} |"


def _limits(manifest: Manifest) -> Iterator[str]:
    seen: dict[str, list[str]] = {}
    for name, spec in manifest.bindings.items():
        told = _told(spec)
        if told:
            seen.setdefault(told, []).append(f"`{name}`")
    for told, names in seen.items():
        yield f"{', '.join(names)} {told}"


def _told(spec: BindingSpec) -> str:
    limits: Limits = spec.limits
    if spec.choices:
        return f"one of {len(spec.choices)}"
    parts = []
    if limits.multiple_of is not None:
        parts.append(f"{limits.multiple_of}n+{limits.plus}" if limits.plus else f"multiple of {limits.multiple_of}")
    if limits.min is not None or limits.max is not None:
        largest = "2^64−1" if limits.max == _WHOLE else "" if limits.max is None else f"{limits.max:g}"
        parts.append(f"{'' if limits.min is None else f'{limits.min:g}'}…{largest}")
    if limits.max_chars is not None:
        parts.append(f"at most {limits.max_chars} characters")
    return " ".join(parts)


def _models(manifests: list[Manifest]) -> Iterator[str]:
    yield "| folder below `models/` | file | licence | for |"
    yield "|---|---|---|---|"
    users: dict[tuple[str, str, str], list[str]] = {}
    for manifest in manifests:
        for model in manifest.needs.models:
            shown = f"`{model.file}`" + (" (a folder)" if model.kind == "folder" else "")
            users.setdefault((model.folder, shown, model.licence or "unknown"), []).append(f"`{manifest.name}`")
    for (folder, shown, licence), names in sorted(users.items()):
        told = f"**{licence}**" if any(word in licence for word in _WARNED) else licence
        yield f"| `{folder}` | {shown} | {told} | {', '.join(names)} |"
