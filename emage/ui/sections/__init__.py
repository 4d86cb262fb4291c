"""The cards of the page, one class each: its components, their wiring, its handlers."""
