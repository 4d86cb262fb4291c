"""The command line: `python -m emage generate | batch | render | measure | doctor`."""
