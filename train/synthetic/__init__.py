"""A corpus of synthetic speech with rule-made motion, in BEAT2's layout.

    python -m train.synthetic --hours 2 --out DIR

The road, file by file; each imports only from those above it:

    errors.py       the named error of this package
    phones.py       the phones, which are vowels, which close the mouth
    timing.py       Times: words and phones of a clip with their times; the compact file
    speakers.py     twelve speakers: a voice and habits of moving
    grammar.py      sentences that call for gestures
    engines/        phrases -> sound and phones, by espeak-ng, flite or festival
    speech.py       sentences -> sound and times
    tracks.py       smooth curves through key frames
    kinematics.py   rotations, arms and legs by inverse kinematics
    gestures.py     hand shapes and the dictionary of gestures
    skin.py         how a foot lies flat, and how thick trunk and head are
    strokes.py      which gesture when
    arms.py         where the hands are in every frame
    face.py         jaw, lips, brows, blinks, gaze
    stance.py       weight shifts, steps, breathing, trunk and head
    compose.py      Times -> Motion
    scenes.py       motion without words: a wave, a step aside
    corpus.py       clips -> files, several processes, resumable

Motion is computed from `Times` alone, so the compact form (times and compressed speech) rebuilds the corpus without
any synthesizer.
"""
