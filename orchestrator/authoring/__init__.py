"""Making a workflow of the user's own usable: read what ComfyUI exported, guess a manifest, ask, write, check, try."""
