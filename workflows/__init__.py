"""ComfyUI graphs in API format, and their manifests."""
