"""Whole small nights while faults fire at random, each made from a seed: `python -m tests.chaos SEED` plays one again."""
