"""Bodies to frames."""
