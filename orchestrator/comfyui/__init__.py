"""The ComfyUI client: HTTP, events, workflows, restarts. Knows no database."""
