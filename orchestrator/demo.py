"""The first thing a newcomer runs: a night over sample paintings on the embedded engines."""

from __future__ import annotations

import random
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from db.store import PaintingRow
from orchestrator import catalogue
from orchestrator.artifacts import hash_file, write_whole
from orchestrator.errors import CatalogueError
from orchestrator.home import Home
from orchestrator.initial import zim_lines
from orchestrator.opening import open_store
from orchestrator.settings import CONFIG_NAME, Settings, load_settings

_CONFIG = """\
# The demo's settings: small videos, made on the CPU by embedded engines.
home: .
languages: [fr, en]
night: {paintings: 4, list: portraits}
comfyui: {embedded: {cards: 2}}
video: {output_width: 540, output_height: 960}
"""


@dataclass(frozen=True)
class DemoNight:
    """A demo home that is ready for its next night."""

    settings: Settings
    config: Path
    list_name: str
    paintings: int

    def next_commands(self) -> tuple[str, str, str]:
        """Return the three commands to try next."""
        named = f"nightreel --config {shlex.quote(str(self.config))}"
        return (
            f"{named} review                     # look at the videos, approve or reject them",
            f"{named} status                     # how far everything is",
            "nightreel init my-reels && cd my-reels && nightreel catalogue add YOUR_FOLDER && nightreel run",
        )


def prepare_demo(folder: Path, *, portraits: int = 3, doubtful: int = 1) -> DemoNight:
    """Make the demo home if need be, and a list for its next night: paintings that were not used yet.

    Raises:
        CatalogueError: every sample was used.
    """
    from orchestrator.sample.make import make_samples

    folder = folder.expanduser().absolute()
    samples = make_samples(folder / "samples")
    config = folder / CONFIG_NAME
    if not config.exists():
        write_whole(config, (_CONFIG + zim_lines(samples.archives, folder)).encode())
    settings = load_settings(config)
    _, store = open_store(settings)
    catalogue.add(store, samples.catalogue, list_name="portraits")
    unused = {row.sha256: row for row in store.unused("portraits")}
    chosen = [
        *_pick(unused, samples.accept, portraits, folder),
        *_pick(unused, samples.reject, doubtful, folder),
    ]
    number = 1 + sum(1 for name in store.lists() if name.startswith("demo-"))
    list_name = f"demo-{number}"
    store.add_paintings(chosen, list_name=list_name)
    return DemoNight(settings, config, list_name, len(chosen))


def forget_demo(folder: Path) -> None:
    """Remove what the demo's nights made; the samples stay."""
    home = Home(folder.expanduser().absolute())
    for path in (home.artifacts, home.work, home.logs, home.reports, home.pool, home.engines):
        shutil.rmtree(path, ignore_errors=True)
    for path in home.root.glob("nightreel.db*"):
        path.unlink()


def _pick(unused: dict[str, PaintingRow], files: Sequence[Path], count: int, folder: Path) -> list[PaintingRow]:
    left = [row for path in files if (row := unused.get(hash_file(path))) is not None]
    if len(left) < count:
        raise CatalogueError(
            f"the demo has used all its sample paintings; start over with: nightreel demo --fresh --dir {folder}"
        )
    return random.Random(len(left)).sample(left, count)
