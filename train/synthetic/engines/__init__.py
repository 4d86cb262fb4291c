"""The speech synthesizers, Debian packages all: what each makes of phrases, with the times of its phones."""
