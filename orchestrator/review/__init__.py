"""The verdicts of a person: approve, reject, send back."""
