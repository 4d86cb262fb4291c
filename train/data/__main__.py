"""`python -m train.data`: build the cache."""

from train.data.building import main

if __name__ == "__main__":  # not in the processes that decode, which import it
    main()
