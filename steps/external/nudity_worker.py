"""The process that asks NudeNet about one picture: `python nudity_worker.py FILE`, JSON on stdout."""

from __future__ import annotations

import json
import sys


def main(path: str) -> int:
    """Print what was found, with scores, and return the exit status."""
    import cv2
    from nudenet import NudeDetector

    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        sys.stderr.write("the picture cannot be read\n")
        return 1
    found = NudeDetector().detect(picture)
    sys.stdout.write(json.dumps({"found": [{"class": one["class"], "score": float(one["score"])} for one in found]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
