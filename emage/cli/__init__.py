"""The command line: `python -m emage generate | batch | render | export | measure | doctor`."""
