"""The base of every group of settings.

Apart from `options.py`, so that a group can live in a module of its own and still be part of it.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Base of all settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
