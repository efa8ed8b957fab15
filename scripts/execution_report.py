#!/usr/bin/env python3
"""Write a night's execution report: the same as `nightreel report`. Run it with the environment's Python."""

import sys

from orchestrator.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["report"]
    main()
