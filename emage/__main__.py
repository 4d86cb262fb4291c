"""`python -m emage`: see `emage.cli`."""

from emage.cli.main import main

if __name__ == "__main__":
    main()
