"""Offline Wikipedia: archives, search, plain text, facts."""
