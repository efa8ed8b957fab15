"""Prompts are files: packaged ones, and an owner's in their place."""

from __future__ import annotations

import pytest

from steps import prompts
from steps.errors import ResourceMissing


def test_an_owners_file_takes_the_place_of_the_packaged_one(tmp_path):
    """And its version tells that it was another text."""
    (tmp_path / "script_user.txt").write_text("Écris en $language_name :\n$data\nBref !", "utf-8")
    own = prompts.load("script_user", tmp_path)
    assert own.fill(language_name="French", data="{}") == "Écris en French :\n{}\nBref !"
    assert own.is_own
    assert own.version.startswith("own-")
    assert own.version != prompts.load("script_user").version
    assert prompts.load("script_system", tmp_path) == prompts.load("script_system")


def test_the_version_is_the_texts_hash(tmp_path):
    """One letter more is another prompt, whatever its head says."""
    path = tmp_path / "script_user.txt"
    versions = set()
    for text in ("version: 9\n---\n$data $language_name", "version: 9\n---\n$data $language_name!"):
        path.write_text(text, "utf-8")
        versions.add(prompts.load("script_user", tmp_path).version)
    assert len(versions) == 2
    assert all(version.startswith("9-") for version in versions)


def test_a_prompt_without_its_data_is_refused_by_name(tmp_path):
    """A model would invent what it is not told."""
    (tmp_path / "script_user.txt").write_text("Write something in $language_name.", "utf-8")
    with pytest.raises(ResourceMissing, match=r"script_user\.txt lacks \$data"):
        prompts.load("script_user", tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe no text $data $language_name", "cannot be read"),
        (b"$data $language_name" + b"x" * 100_001, "more than"),
        (b"$data $language_name $unknown", "unknown"),
        (b"$data $language_name costs 5$", "dollar"),
    ],
)
def test_what_cannot_be_used_is_listed(tmp_path, content, said):
    """Before a night, not in it."""
    (tmp_path / "script_user.txt").write_bytes(content)
    assert said in " ".join(prompts.problems(tmp_path))


def test_a_file_that_nothing_reads_is_listed(tmp_path):
    """Most likely its name has a typing error."""
    assert list(prompts.problems(tmp_path / "nowhere")) == []
    (tmp_path / "scirpt_user.txt").write_text("$data", "utf-8")
    assert "there is no prompt of that name" in " ".join(prompts.problems(tmp_path))


def test_every_packaged_prompt_is_sound():
    """Names, head, placeholders."""
    assert {"script_system", "script_user", "see_system", "see_user"} <= set(prompts.names())
    assert all(not prompts.load(name).version.startswith("own") for name in prompts.names())


def test_the_doctor_says_which_prompt_cannot_be_used(tmp_path):
    """Before the night, in which every script would fail."""
    from orchestrator.doctor import _prompts
    from orchestrator.settings import Settings

    settings = Settings(home=tmp_path)
    assert list(_prompts(settings)) == []
    (tmp_path / "prompts").mkdir()
    assert [one.grade for one in _prompts(settings)] == ["ok"]
    (tmp_path / "prompts" / "script_user.txt").write_text("Write!", "utf-8")
    (problem,) = _prompts(settings)
    assert "lacks $data, $language_name" in problem.found
