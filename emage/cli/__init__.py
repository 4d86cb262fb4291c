"""The command line: `emage generate | batch | render | export | measure | doctor`, or `python -m emage …`."""
