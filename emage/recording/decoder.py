"""pocketsphinx's decoder, which hears words offline by the English models of its package."""

from collections.abc import Callable

import numpy as np
from pocketsphinx import Decoder

from emage.recording.audio import SAMPLE_RATE_HZ

Progress = Callable[[str, int, int], None]
"""Called with a stage, and the motion frames that are done of how many; what it raises ends the work."""

_NOISE_STEPS = 2.0
_BLOCK_S = 0.25
_MEASURED_S = 30.0
"""So long a piece is one; no thread comes between while it is measured."""
_THOROUGH = {"bestpath": False, **dict.fromkeys(("beam", "wbeam", "pbeam"), 1e-250)}


def make_decoder() -> Decoder:
    """A decoder with the dictionary, the acoustic model and the language model of English."""
    return Decoder(loglevel="FATAL")


def make_aligner(is_thorough: bool = False) -> Decoder:
    """A decoder without a language model.

    is_thorough: it gives up hardly any path, and finds words that sound like their phones only from afar. Its scores
    are a 1024th of others'.
    """
    return Decoder(loglevel="FATAL", lm=None, **(_THOROUGH if is_thorough else {}))


def feed(decoder: Decoder, samples: np.ndarray) -> None:
    """Decode (N,) floats at 16 kHz as one utterance, normalised over all of it."""
    decoder.start_utt()
    decoder.process_raw(to_pcm(samples), full_utt=True)
    decoder.end_utt()


def feed_by_blocks(decoder: Decoder, samples: np.ndarray, search: str | None, done: Callable[[int], None]) -> None:
    """The same by and by, so that other threads come between: the decoder lets none in while it decodes a block.

    search: the name of the decoder's; None for that of its language model. done: called after each block with the
    samples that are decoded; what it raises ends the work.
    """
    decoder.set_cmn(_measure_mean(decoder, samples))
    decoder.activate_search(*(() if search is None else (search,)))
    decoder.start_utt()
    block = round(_BLOCK_S * SAMPLE_RATE_HZ)
    try:
        for at in range(0, len(samples), block):
            decoder.process_raw(to_pcm(samples[at : at + block]))
            done(min(at + block, len(samples)))
    finally:
        decoder.end_utt()


def _measure_mean(decoder: Decoder, samples: np.ndarray) -> str:
    """The mean of the cepstrum over (N,) floats at 16 kHz, as `decoder.set_cmn` takes it: words are recognised better
    by that of their own utterance than by what a decoder finds out as it goes."""
    decoder.add_fsg("any", decoder.create_fsg("any", 0, 1, [(0, 1, 1.0, "a")]))  # the least that can be decoded
    decoder.activate_search("any")
    most = round(_MEASURED_S * SAMPLE_RATE_HZ)
    pieces = np.array_split(samples, -(-len(samples) // most))
    means = []
    for piece in pieces:
        feed(decoder, piece)
        means.append(decoder.get_cmn(True))
    if len(means) == 1:
        return means[0]
    values = [[float(each) for each in mean.split(",")] for mean in means]
    mean = np.average(values, axis=0, weights=[len(piece) for piece in pieces])
    return ",".join(f"{each:.2f}" for each in mean)


def to_pcm(samples: np.ndarray) -> bytes:
    """(N,) floats in -1..1 as 16-bit integers, with a noise that nobody hears: the acoustic model knows no digital
    silence, as between the words of a synthetic voice, and loses its way in it."""
    noise = np.random.default_rng(0).normal(0.0, _NOISE_STEPS, len(samples))
    return np.rint(np.clip(samples, -1, 1) * 32760 + noise).clip(-32768, 32767).astype("<i2").tobytes()
