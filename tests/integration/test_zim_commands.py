"""The commands about encyclopaedias, on real archives: what an owner sees, and what the shell is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import app, exit_code_of
from orchestrator.errors import ExitCode
from zim.writer import Article, write_archive

ARTICLES = [
    Article("M", "Main", "<html><body><p>Main page of a small encyclopaedia.</p></body></html>"),
    Article(
        "H",
        "Anna Holt",
        "<html><body><p>Anna Holt (1700–1760) was a painter of bakers.</p><h2>Life</h2>"
        "<p>She sold her first portraits to the bakers of the town.</p>"
        "<ul><li>In 1741 she painted the whole bakery once more.</li></ul></body></html>",
    ),
    Article("F", "Anna Holt (film)", "<html><body><p>Anna Holt is a film about the painter.</p></body></html>"),
    Article("T", "Tables", "<html><body><table><tr><td>1</td></tr></table></body></html>"),
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    return write_archive(tmp_path_factory.mktemp("zim") / "en.zim", "en", ARTICLES, title="Small [red]ones")


def nightreel(*words: object) -> tuple[int, str]:
    answer = CliRunner().invoke(app, [str(word) for word in words])
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        return exit_code_of(answer.exception), str(answer.exception)
    return answer.exit_code, answer.output


def test_check_says_what_each_archive_is(archive, tmp_path):
    """Those of config.yaml; what was tested is remembered in the home."""
    (tmp_path / "none.zim").write_text("no archive")
    config = tmp_path / "config.yaml"
    config.write_text(f"home: home\nzim: {{en: {archive}}}\n")
    code, said = nightreel("-c", config, "zim", "check", "--json")
    (found,) = json.loads(said)
    assert code == ExitCode.OK
    assert (found["articles"], found["whole"], found["date"], found["problems"]) == (4, True, "2000-01-01", [])
    assert (tmp_path / "home" / "engines" / "zim_checked.json").is_file()
    config.write_text(f"home: home\nzim: {{fr: [{archive}, none.zim]}}\n")
    code, said = nightreel("-c", config, "zim", "check", "--quick")
    assert code == ExitCode.NOT_READY
    assert "written in eng" in said
    assert "none.zim" in said
    assert "Small [red]ones" in said


def test_search_says_what_would_be_chosen_and_why_the_others_not(archive):
    """In words, one line an article."""
    asked = ("zim", "search", "--artist", "Anna Holt", "--year", 1740, "--archive", archive)
    code, said = nightreel(*asked)
    assert code == ExitCode.OK
    assert "chosen: Anna Holt (an artist of this name who lived then (1700–1760))" in said
    _, said = nightreel("zim", "search", "--artist", "Anna Holt", "--year", 1940, "--archive", archive)
    assert "- Anna Holt: was dead by 1940" in said
    assert "- Anna Holt (film): is neither a person nor a work of art" in said
    _, said = nightreel(*asked, "--json")
    (found,) = json.loads(said)
    assert (found["chosen"], found["about"], found["archive"]) == ("Anna Holt", "artist", "en.zim")


def test_show_prints_an_article_as_the_writer_reads_it(archive):
    """Numbered as facts cite them; a title's beginning is enough."""
    code, said = nightreel("zim", "show", "Anna Holt", "--archive", archive)
    assert code == ExitCode.OK
    assert "\n## Life\n[1] She sold her first portraits" in said
    assert "[2] • In 1741 she painted" in said
    _, said = nightreel("zim", "show", "Tables", "--archive", archive)
    assert "it has no text" in said
    _, said = nightreel("zim", "show", "anna hol", "--archive", archive, "--json")
    assert [section["title"] for section in json.loads(said)["sections"]][:1] == [""]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "Nobody At All"), ExitCode.USAGE, "no archive has an article"),
        (("show", "Anna Holt", "--lang", "fr"), ExitCode.USAGE, "no archive in 'fr'"),
        (("search",), ExitCode.USAGE, "at least one of"),
        (("search", "--artist", "%s\x00'\"[red]"), ExitCode.OK, "nothing"),
    ],
)
def test_wrong_questions_get_a_clear_word(archive, words, code, said):
    """Never a traceback."""
    answer = nightreel("zim", *words, "--archive", archive)
    assert answer[0] == code
    assert said in answer[1]


def test_without_archives_there_is_nothing_to_check(tmp_path):
    """And it says where to name one."""
    (tmp_path / "config.yaml").write_text("home: home\n")
    code, said = nightreel("-c", tmp_path / "config.yaml", "zim", "check")
    assert (code, "no archive is configured" in said) == (ExitCode.CONFIG, True)
