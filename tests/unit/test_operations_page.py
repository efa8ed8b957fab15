"""docs/operations.md and the unit for ComfyUI say what the code does: names, defaults, and the lines that matter."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import pytest
import yaml

from orchestrator.settings import ComfyUISettings, DriftSettings, Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
UNIT = ROOT / "scripts" / "systemd" / "comfyui@.service"


def section(number: int) -> str:
    return PAGE.split(f"\n## {number}. ")[1].split("\n## ")[0]


def test_its_config_is_one():
    """A page that is copied from must be right."""
    (text,) = re.findall(r"```yaml\n(.*?)```", section(3), re.DOTALL)
    settings = Settings.model_validate(yaml.safe_load(text))
    assert [one.role for one in settings.comfyui.instances] == ["work", "work", "reserved"]


def test_every_unit_that_is_restarted_is_in_the_sudoers_line():
    """Sudo compares letter for letter."""
    line = next(line for line in section(2).splitlines() if "NOPASSWD" in line)
    allowed = {words.strip() for words in line.split("NOPASSWD:")[1].split(",")}
    asked = re.findall(r'command: "sudo -n (systemctl restart [^"]*)"', section(3))
    assert asked
    assert {f"/usr/bin/{command}" for command in asked} == allowed


@pytest.mark.parametrize("key", sorted(DriftSettings.model_fields))
def test_every_budget_of_drift_is_explained_with_its_default(key):
    """And nothing else is."""
    (row,) = [line for line in section(4).splitlines() if line.startswith(f"| `{key}` |")]
    assert float(row.rstrip("| ").rsplit("|", 1)[1]) == DriftSettings.model_fields[key].default


def test_every_way_to_plan_restarts_is_explained():
    """The three values of `comfyui.restart`."""
    explained = re.findall(r"^\| `(\w+)`(?: \(default\))? \|", section(4), re.MULTILINE)
    assert explained[:3] == list(ComfyUISettings.model_fields["restart"].annotation.__args__)
    fields = ComfyUISettings.model_fields
    assert f"`comfyui.ready_timeout_s` ({fields['ready_timeout_s'].default:g} s)" in section(4)
    assert f"`comfyui.max_restarts` ({fields['max_restarts'].default})" in section(4)


def test_the_unit_keeps_cards_apart():
    """Each of these lines is one that two servers on one machine need."""
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT.read_text().replace("\\\n", " "))
    command = shlex.split(unit["Service"]["ExecStart"])
    options = dict(zip(command[2::2], command[3::2], strict=False))
    assert options["--port"] == "818%i"
    assert options["--base-directory"].endswith("/%i")
    assert options["--database-url"].startswith("sqlite:///%S/comfyui/%i/")
    assert unit["Service"]["Restart"] == "on-failure"
    assert "CUDA_VISIBLE_DEVICES=%i" in UNIT.read_text()
    assert "HF_HUB_OFFLINE=1" in UNIT.read_text()


def test_links_of_the_page_lead_somewhere():
    """Files, and headings in them."""
    for target in re.findall(r"\]\(([^)h][^)]*)\)", PAGE):
        name, _, anchor = target.partition("#")
        path = (ROOT / "docs" / name).resolve()
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 _-]", "", one.lower()).replace(" ", "-") for one in headings}, target
