#!/usr/bin/env python3
"""Look at the new videos one by one: the same as `nightreel review`. Run it with the environment's Python."""

import sys

from orchestrator.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["review"]
    main()
