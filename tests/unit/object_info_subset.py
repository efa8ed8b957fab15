"""The node schemas that the bundled workflows are held to, and how they are cut out of a real server's /object_info.

Kept are the classes that graphs, alternatives and fallbacks name: facts, without explanations, and with the lists of
model files cut down to those that a workflow asks for and a few others. Speech nodes come from the embedded server's
hand-made table, for no stock server has them. To refresh it after an update of ComfyUI, save the /object_info of a
server that has the official model files (empty ones do) and run `python -m tests.unit.object_info_subset FILE`.
"""

from __future__ import annotations

import gzip
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.comfyui.workflow import Workflow
from orchestrator.embedded.schemas import MODEL_INPUTS, read_extra, trim
from steps.manifest import bundled_names

SUBSET = Path(__file__).parents[1] / "resources" / "object_info_subset.json.gz"
DECOYS = 2  # other files kept in each list, so that a wrong name has company
FIELDS = ("input", "output", "output_node")


@cache
def schemas() -> dict[str, Any]:
    """Return the kept schemas, by class."""
    loaded: dict[str, Any] = json.loads(gzip.decompress(SUBSET.read_bytes()))
    return loaded


def classes() -> frozenset[str]:
    """Return the classes that bundled workflows name anywhere."""
    found: set[str] = set()
    for workflow in map(Workflow.load, bundled_names()):
        found |= workflow.node_classes() | workflow.alternative_classes()
        rungs = (node for rung in workflow.manifest.fallbacks for node in rung.nodes)
        found |= {node.class_type for node in rungs if node.class_type is not None}
    return frozenset(found)


def cut(object_info: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a server's schemas."""
    wanted = classes()
    kept = {**trim(object_info, wanted), **{name: one for name, one in read_extra().items() if name in wanted}}
    for name, inputs in MODEL_INPUTS.items():
        for key in inputs if name in kept else ():
            real, spec = object_info[name]["input"]["required"][key], kept[name]["input"]["required"][key]
            files = real[1]["options"] if real[0] == "COMBO" else real[0]
            asked = {model.file for workflow in _workflows() for model in workflow.manifest.needs.models}
            chosen = sorted({*files[:DECOYS], *(asked & set(files))})
            if spec[0] == "COMBO":
                spec[1]["options"] = chosen
            else:
                spec[0] = chosen
    return {name: {field: kept[name].get(field, False) for field in FIELDS} for name in sorted(kept)}


def _workflows() -> list[Workflow]:
    return [Workflow.load(name) for name in bundled_names()]


def main(path: Path) -> int:
    """Replace the kept schemas; 1 when classes are missing from the file."""
    raw = path.read_bytes()
    kept = cut(json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw))
    SUBSET.write_bytes(gzip.compress(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode(), mtime=0))
    missing = sorted(classes() - set(kept))
    sys.stdout.write(f"{len(kept)} classes kept; missing: {', '.join(missing) or 'none'}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
