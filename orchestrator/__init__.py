"""What runs when, and where."""
