"""The pages against the program: what exists is written down, and what is written down exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from db.states import State
from orchestrator.cli import app
from orchestrator.errors import ExitCode, NightreelError
from orchestrator.reference_errors import error_classes
from orchestrator.review.terminal import _KEYS
from steps.registry import default_steps

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
EVERYTHING = "\n".join(TEXTS.values())


def commands() -> Iterator[tuple[str, object]]:
    """Yield every command with the words that call it."""
    group = typer.main.get_command(app)
    for name, command in sorted(group.commands.items()):
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            for sub, subcommand in sorted(inner.items()):
                yield f"{name} {sub}", subcommand


COMMANDS = dict(commands())


def options(command) -> set[str]:
    found = set()
    for parameter in command.params:
        found |= {text for text in getattr(parameter, "opts", []) if text.startswith("--")}
    return found - {"--help"}


def section_of(name: str) -> str:
    """Return what the page of commands says of one command."""
    page = TEXTS[ROOT / "docs" / "commands.md"]
    found = re.search(rf"^## `nightreel {re.escape(name)}[ `].*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/commands.md has no section of {name}"
    return found.group()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_on_the_page_of_commands(name):
    """With the option's own name, in the command's own section; and no option that is gone."""
    section = section_of(name)
    named = set(re.findall(r"`(--[a-z-]+)", section))
    assert named == options(COMMANDS[name])


def test_no_command_is_on_the_page_that_is_gone():
    """A heading of the page is a command."""
    headings = re.findall(
        r"^## `nightreel ([a-z ]+?)(?: [A-Z\[][^`]*)?`", TEXTS[ROOT / "docs" / "commands.md"], re.MULTILINE
    )
    assert sorted(headings) == sorted(COMMANDS)


def test_every_command_is_in_the_readme():
    """The table of the first page has them all."""
    readme = TEXTS[ROOT / "README.md"]
    table = readme[readme.index("## The commands") :]
    for name in COMMANDS:
        assert name in table or name == "catalogue lists", name


def test_what_the_pages_tell_to_type_exists():
    """Every `nightreel …` in a page names a command, and options that it has."""
    known = {name.split()[0] for name in COMMANDS}
    known_options = {"--config", "--help"}.union(*(options(command) for command in COMMANDS.values()))
    for page, text in TEXTS.items():
        for line in re.findall(r"nightreel (?:--config \S+ )?([a-z][a-z-]*[^`\n]*)", code_of(text)):
            word = line.split()[0]
            if word in ("and", "home"):
                continue
            assert word in known, f"{page.name}: nightreel {line}"
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)) <= known_options, f"{page.name}: nightreel {line}"


def code_of(text: str) -> str:
    """Return what a page sets as code."""
    return "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL) + re.findall(r"`(nightreel [^`]+)`", text))


def test_every_state_is_in_the_glossary_and_the_guide_knows_the_keys():
    """One word per thing, and the word is explained."""
    glossary = TEXTS[ROOT / "docs" / "glossary.md"]
    for state in State:
        assert re.search(rf"\b{state}\b", glossary), state
    guide = TEXTS[ROOT / "docs" / "guide.md"]
    keys = guide[guide.index("takes one key") :]
    for key in _KEYS:
        assert f"`{key}`" in keys, key


def test_every_step_is_explained_somewhere():
    """A name that only the tables know is a riddle."""
    for step in default_steps():
        assert step.name in EVERYTHING, step.name


def test_every_error_is_on_the_page_of_errors():
    """What a report can name, its reader can look up."""
    page = TEXTS[ROOT / "docs" / "errors.md"]
    for kind in error_classes():
        assert f"| `{kind.__name__}` |" in page, kind


def test_every_exit_code_is_on_the_page_of_errors():
    """Scripts and systemd units rely on them."""
    page = TEXTS[ROOT / "docs" / "errors.md"]
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", page[page.index("## Exit codes") :], re.MULTILINE)]
    assert listed == [int(code) for code in ExitCode]
    answered = {kind.exit_code for kind in NightreelError.__subclasses__()}
    assert ExitCode.UNEXPECTED not in answered, "a foreseen error is no defect"


def links() -> list[tuple[Path, str]]:
    found = []
    for page, text in TEXTS.items():
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        found += [(page, target) for target in re.findall(r"\]\(([^)\s]+)\)", prose)]
    return found


def test_there_are_links():
    """Or the next test could not fail."""
    assert len(links()) > 20


@pytest.mark.parametrize(("page", "target"), links(), ids=lambda value: str(value).removeprefix(f"{ROOT}/"))
def test_every_link_leads_somewhere(page, target):
    """To a file of the repository, and to a heading that is there; addresses outside are not fetched."""
    if re.match(r"https?:", target):
        return
    name, _, anchor = target.partition("#")
    there = (page.parent / name).resolve() if name else page
    assert there.exists(), target
    assert there.is_relative_to(ROOT)
    if anchor:
        assert anchor in anchors(there), target


def anchors(page: Path) -> set[str]:
    """Return the names of a page's headings, as a page on the web has them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}
