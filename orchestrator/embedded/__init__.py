"""A ComfyUI-compatible server and an OpenAI-compatible language model on the CPU."""
