"""Whole small nights while faults fire at random. `python -m tests.chaos SEED` plays the one of a seed again."""
