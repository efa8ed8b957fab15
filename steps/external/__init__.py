"""One wrapper per outside program, library or server."""
