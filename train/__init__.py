"""Training: the corpus, the data cache and the stages, each one file. Imports emage, never the reverse."""
