"""`python -m train.data`: build the cache."""

from train.data.cache import main

main()
