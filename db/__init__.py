"""State: tables, the legal moves, and every query."""
