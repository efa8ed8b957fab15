"""config.yaml: what is accepted, and what is said about the rest."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from orchestrator import reference, reference_errors
from orchestrator.errors import ConfigError, ExitCode
from orchestrator.settings import Settings, find_config, load_settings


def load(tmp_path: Path, text: str | bytes) -> Settings:
    path = tmp_path / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings(path)


def message(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.exit_code is ExitCode.CONFIG
    return str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_means_the_defaults(tmp_path, text):
    """Every key has one."""
    assert load(tmp_path, text).night.paintings == 20


def test_paths_are_relative_to_the_file(tmp_path):
    """The same home whatever folder the command is started from."""
    settings = load(tmp_path, "home: reels\nzim: {fr: archives/w.zim}\nfinal: {music: songs}\n")
    assert settings.home == tmp_path / "reels"
    assert settings.zim["fr"] == (tmp_path / "archives" / "w.zim",)
    assert settings.final.music == tmp_path / "songs"


@pytest.mark.parametrize("written", ["07:00", '"07:00"', "7:00:00"])
def test_a_time_may_be_written_with_and_without_quotes(tmp_path, written):
    """YAML takes a bare 07:00 for a number in base 60."""
    assert load(tmp_path, f"night: {{stop_by: {written}}}").night.stop_by == time(7, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nite: {}", ["nite", "no such key"]),
        ("night: {paintings: many}", ["night.paintings", "'many'", "integer"]),
        ("night: {paintings: 0}", ["night.paintings", "0", "greater than or equal to 1"]),
        ("languages: [fr, de]", ["languages.1", "'de'", "'fr' or 'en'"]),
        ("languages: [fr, fr]", ["languages", "twice"]),
        ("video: {width: 577}", ["video.width", "577", "multiple of 16"]),
        ("comfyui: {instances: [{name: a}]}", ["comfyui.instances.0", "needs `url`"]),
        (
            "comfyui: {instances: [{name: a, url: 'ftp://x'}]}",
            ["comfyui.instances.0", "ftp://x", "http://127.0.0.1:8188"],
        ),
        ("comfyui: {instances: [{url: 'http://x'}]}", ["comfyui.instances.0.name", "is missing"]),
        ("comfyui: {instances: [{name: games, role: reserved}]}", ["comfyui", "no instance has the role `work`"]),
        (
            "comfyui: {instances: [{name: a, url: 'http://x'}, {name: b, url: 'http://x/'}]}",
            ["comfyui", "addresses of their own", "http://x"],
        ),
        (
            "comfyui: {instances: [{name: a, url: 'http://x', restart: {ssh: me@x}}]}",
            ["comfyui.instances.0.restart", "`ssh` needs `command`"],
        ),
    ],
)
def test_every_error_names_the_key_what_was_found_and_what_would_do(tmp_path, text, words):
    """An owner reads it at eleven in the evening."""
    found = message(tmp_path, text)
    for word in words:
        assert word in found


def test_all_problems_are_reported_at_once(tmp_path):
    """Not one a start."""
    found = message(tmp_path, "nite: 1\nlanguages: []\nnight: {paintings: -1}\n")
    assert "3 problems" in found


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe\x00home",
        "home: [unclosed",
        "- a\n- list",
        "just a sentence",
        "x: !!python/object/apply:os.system ['true']",
        "\tnight: {}",
        "[" * 5000,
        "a: " + "b" * 2_000_000,
        b"night: {paint",
    ],
    ids=["not-utf8", "unclosed", "list", "sentence", "python-object", "tab", "deep", "huge", "half-written"],
)
def test_a_hostile_file_is_an_error_and_nothing_else(tmp_path, text):
    """Never a traceback, never a command that runs, never a minute of silence."""
    assert "config.yaml" in message(tmp_path, text)


def test_without_a_file_the_way_to_make_one_is_told(tmp_path, monkeypatch):
    """The first message that many will meet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NIGHTREEL_CONFIG", raising=False)
    with pytest.raises(ConfigError, match="nightreel init"):
        find_config(None)


def test_the_file_may_be_named_by_its_folder_or_by_the_environment(tmp_path, monkeypatch):
    """Units of systemd name a folder; a shell may export it once."""
    (tmp_path / "config.yaml").write_text("")
    monkeypatch.setenv("NIGHTREEL_CONFIG", str(tmp_path))
    assert find_config(None) == tmp_path / "config.yaml"
    assert find_config(tmp_path) == tmp_path / "config.yaml"


def test_the_reference_page_and_the_example_are_what_the_settings_say():
    """Run `python -m orchestrator.reference` after a change of the settings."""
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page()
    assert reference.EXAMPLE.read_text(encoding="utf-8") == reference.example()
    assert reference.ERRORS.read_text(encoding="utf-8") == reference_errors.page()


def test_the_example_holds_the_defaults(tmp_path):
    """It can be copied as it is."""
    shown = load(tmp_path, reference.example()).model_copy(update={"home": None})
    assert shown == load(tmp_path, "").model_copy(update={"home": None})


def test_every_key_has_a_description():
    """A reference with gaps is no reference."""
    assert [key.path for key in reference.keys(Settings) if not key.description and not key.is_section] == []
