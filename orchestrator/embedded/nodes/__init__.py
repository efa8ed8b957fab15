"""The node classes that a card can run, family by family."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping

from orchestrator.embedded.nodes.base import NodeType
from orchestrator.embedded.nodes.dev import DEV
from orchestrator.embedded.nodes.image_outputs import IMAGE_OUTPUTS
from orchestrator.embedded.nodes.images import IMAGES

NODES: Mapping[str, NodeType] = ChainMap(DEV, IMAGES, IMAGE_OUTPUTS)
"""Every node class, by name."""
