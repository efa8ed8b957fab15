"""Language model servers: started, put to sleep, woken and stopped, so that a card serves them and ComfyUI in turn."""
