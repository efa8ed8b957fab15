"""The direction of imports: the one drawing of the architecture that a machine can check."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("orchestrator", "steps", "db", "zim", "workflows")

MAY_IMPORT = {
    "db": set(),
    "zim": set(),
    "workflows": set(),
    "steps": {"zim"},
    "orchestrator": {"steps", "db", "zim", "workflows"},
}
NO_DATABASE = ("orchestrator/comfyui", "orchestrator/embedded", "orchestrator/engines")
"""They run where no database is: in another process, one day on another host."""

ONLY_THE_COMMANDS = ("orchestrator.cli",)
"""What nothing else imports."""


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path, *, only_at_import: bool = False) -> set[str]:
    """Return the modules of ours that a file imports; with `only_at_import`, those it imports when it is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree) if not only_at_import else _at_import(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module is not None
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.split(".")[0] in PACKAGES}


def _at_import(tree: ast.Module):
    """Yield the statements that run when a module is imported, without those behind TYPE_CHECKING."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(node.test):
                waiting += node.body
            waiting += node.orelse
        elif isinstance(node, ast.Try):
            waiting += node.body + node.orelse + node.finalbody


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_point_one_way(package):
    """`orchestrator` knows the steps and the state; they know nothing of it."""
    for path in (ROOT / package).rglob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)} - {package}
        assert roots <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {sorted(roots - MAY_IMPORT[package])}"


@pytest.mark.parametrize("folder", NO_DATABASE)
def test_what_may_run_elsewhere_knows_no_database(folder):
    """Nor anything that does."""
    known = modules()
    reads_db = {name for name, path in known.items() if any(one.split(".")[0] == "db" for one in imports(path))}
    for path in (ROOT / folder).rglob("*.py"):
        used = imports(path)
        assert not any(name.split(".")[0] == "db" for name in used), path
        assert not (used & {name for name in reads_db if name.startswith("orchestrator.")}), path


def test_nothing_imports_the_command_line():
    """A command is parsed, calls one function, prints: never the other way round."""
    for name, path in modules().items():
        if not name.startswith(ONLY_THE_COMMANDS):
            assert not imports(path) & set(ONLY_THE_COMMANDS), path


def test_there_is_no_import_circle():
    """Neither at import nor hidden in functions of the same package's top level."""
    known = modules()
    graph = {name: {one for one in imports(path, only_at_import=True) if one in known} for name, path in known.items()}
    done: set[str] = set()
    circles = [circle for start in graph if (circle := _circle(start, graph, [], done))]
    assert circles == []


def _circle(name: str, graph: dict[str, set[str]], trail: list[str], done: set[str]) -> list[str]:
    """Return the first circle of imports that is met from a module, or nothing."""
    if name in trail:
        return [*trail[trail.index(name) :], name]
    if name in done:
        return []
    done.add(name)
    for other in sorted(graph[name] - {name}):
        if circle := _circle(other, graph, [*trail, name], done):
            return circle
    return []
