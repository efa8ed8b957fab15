"""The HTTP routes of one card, one module a subject. They parse, call the card, and write what it answers."""
