"""Kills a whole night over sample paintings, everything rendered, and compares its videos with an undisturbed one.

usage: python -m tests.acceptance.kill_real_night [KILLS] [SEED]

Too long for every run of the tests: `test_killed_nights.py` does the same with steps that only take their time.
"""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
from PIL import Image

from orchestrator.opening import open_store
from orchestrator.settings import load_settings
from tests.acceptance.command import NIGHTREEL, nightreel

PAINTINGS = 2
LISTING = "samples"


def make_home(folder: Path, pictures: list[str]) -> None:
    """Make a home whose catalogue holds just these samples."""
    assert nightreel("init", "--samples", str(folder), cwd=folder.parent, timeout_s=300).code == 0
    config = folder / "config.yaml"
    config.write_text(config.read_text() + "\nvideo: {output_width: 270, output_height: 480}\n")
    rows = (folder / "samples" / "catalogue.jsonl").read_text(encoding="utf-8").splitlines()
    chosen = [row for row in rows if any(f"{name}." in row for name in pictures)]
    listing = folder / "samples" / "chosen.jsonl"
    listing.write_text("\n".join(chosen), encoding="utf-8")
    assert nightreel("catalogue", "add", str(listing), "--list", LISTING, cwd=folder).code == 0


def command(folder: Path, mode: str) -> list[str]:
    """Return the command that runs or resumes the night."""
    if mode == "resume":
        return [str(NIGHTREEL), "--config", str(folder), "resume"]
    return [
        str(NIGHTREEL),
        "--config",
        str(folder),
        "run",
        "--paintings",
        str(PAINTINGS),
        "--list",
        LISTING,
        "--seed",
        "5",
    ]


def contents(folder: Path) -> dict[str, str]:
    """Return a hash of what every artifact shows, sounds or says, by its place: metadata names prompts and times."""
    found = {}
    for path in sorted((folder / "artifacts").rglob("*")):
        if path.suffix in (".png", ".jpg"):
            with Image.open(path) as image:
                content = image.convert("RGB").tobytes()
        elif path.suffix in (".mp4", ".flac"):
            with av.open(str(path)) as container:
                content = b"".join(frame.to_ndarray().tobytes() for frame in container.decode())
        elif path.suffix in (".ass", ".srt", ".json"):
            content = path.read_bytes()
        else:
            continue
        found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


def main(kills: int, seed: int) -> int:
    """Run both nights; 0 when they made the same videos."""
    moments = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        undisturbed, killed = Path(name) / "undisturbed", Path(name) / "killed"
        make_home(undisturbed, ["lebrac", "froment"])
        make_home(killed, ["lebrac", "froment"])
        began = time.monotonic()
        subprocess.run(command(undisturbed, "run"), check=True, stdout=subprocess.DEVNULL)
        whole_s = time.monotonic() - began
        expected = contents(undisturbed)
        print(f"undisturbed: {len(expected)} artifacts in {whole_s:.0f} s", flush=True)
        _, store = open_store(load_settings(killed / "config.yaml"))
        done = 0
        while done < kills:
            mode = "resume" if store.unfinished_batch() is not None else "run"
            if mode == "run" and store.latest_batch() is not None:
                break
            process = subprocess.Popen(command(killed, mode), stdout=subprocess.DEVNULL)
            time.sleep(moments.uniform(1.5, 1.5 + 2.2 * whole_s / kills))
            process.send_signal(signal.SIGKILL)
            done += process.wait() == -signal.SIGKILL
        if store.unfinished_batch() is not None:
            subprocess.run(command(killed, "resume"), check=True, stdout=subprocess.DEVNULL)
        found = contents(killed)
        names = {event.name for event in store.events(limit=100_000)}
        print(f"killed {done} times; adopted after a crash: {sorted(n for n in names if n.startswith('attempt.'))}")
        different = [path for path in sorted({*expected, *found}) if found.get(path) != expected.get(path)]
        print(f"{len(expected) - len(different)} of {len(expected)} artifacts are the same")
        for path in different:
            print(f"  DIFFERENT  {path}")
        for one in store.attempts(1) if different else ():
            if one.outcome != "complete" or one.error_class:
                print(f"  {one.step} {one.variant} of item {one.item_id}, try {one.number}: {one.outcome}")
                print(f"    seed {one.seed}: {one.error_class or ''} {one.error_message or ''}")
        return 1 if different else 0


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:3]]
    sys.exit(main(*(numbers + [20, 1][len(numbers) :])))
