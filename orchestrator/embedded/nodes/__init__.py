"""The node classes that a card can run, family by family."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping

from orchestrator.embedded.nodes.audio import AUDIO
from orchestrator.embedded.nodes.base import NodeType
from orchestrator.embedded.nodes.conditioning import CONDITIONING
from orchestrator.embedded.nodes.dev import DEV
from orchestrator.embedded.nodes.image_outputs import IMAGE_OUTPUTS
from orchestrator.embedded.nodes.images import IMAGES
from orchestrator.embedded.nodes.latents import LATENTS
from orchestrator.embedded.nodes.loaders import LOADERS
from orchestrator.embedded.nodes.logic import LOGIC
from orchestrator.embedded.nodes.ltx import LTX
from orchestrator.embedded.nodes.sampling import SAMPLING
from orchestrator.embedded.nodes.speech import SPEECH
from orchestrator.embedded.nodes.video import VIDEO
from orchestrator.embedded.nodes.wan import WAN

NODES: Mapping[str, NodeType] = ChainMap(
    AUDIO,
    CONDITIONING,
    DEV,
    IMAGES,
    IMAGE_OUTPUTS,
    LATENTS,
    LOADERS,
    LOGIC,
    LTX,
    SAMPLING,
    SPEECH,
    VIDEO,
    WAN,
)
"""Every node class, by name."""
