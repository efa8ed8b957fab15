"""The execution report of a night."""
