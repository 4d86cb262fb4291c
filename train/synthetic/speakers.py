"""Twelve speakers: a synthetic voice, and habits of moving that differ from speaker to speaker."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class VoiceSpec:
    """engine: espeak-ng, flite or festival. name: the engine's name of the voice.

    pitch: times the voice's own. rate: of speaking, times the voice's own. size: of the vocal tract; the sound is
    resampled by it, so 1.08 is a larger, deeper speaker.
    """

    engine: str
    name: str
    pitch: float = 1.0
    rate: float = 1.0
    size: float = 1.0


@dataclass(frozen=True)
class Habits:
    """How somebody moves.

    dominant: the hand of one-handed gestures. both, alternating: shares of beats made with both hands and by turns.
    gesturing: share of dictionary words that get their gesture. beating: share of other accents that get a beat.
    amplitude: of gestures. beat_m: depth of a beat. tempo: of movement, times the usual.
    rest: where hands go in pauses, 'sides', 'waist' or 'mixed'. rest_after_s: a longer gap sends them there.
    beat_shape, beat_palm: hand shape and side of beats. elbow: how far elbows stand off.
    nodding: depth of nods, degrees. head_turning: degrees. gaze_away: share of phrases begun with the eyes averted.
    blinks_per_min, brows, smile: of the face. jaw: opening, times the usual.
    stepping: chance of steps in a pause. shifting: chance of a weight shift at a phrase. roaming_m: how far from the
    start. stance_m: half the distance of the feet. turn_deg: of the whole body. lean_deg: forward. sway: of the trunk.
    """

    dominant: str = "right"
    both: float = 0.4
    alternating: float = 0.2
    gesturing: float = 0.9
    beating: float = 0.7
    amplitude: float = 1.0
    beat_m: float = 0.06
    tempo: float = 1.0
    rest: str = "sides"
    rest_after_s: float = 1.6
    beat_shape: str = "relaxed"
    beat_palm: str = "in"
    elbow: float = 0.0
    nodding: float = 5.0
    head_turning: float = 12.0
    gaze_away: float = 0.3
    blinks_per_min: float = 17.0
    brows: float = 0.4
    smile: float = 0.12
    jaw: float = 1.0
    stepping: float = 0.35
    shifting: float = 0.5
    roaming_m: float = 0.5
    stance_m: float = 0.105
    turn_deg: float = 14.0
    lean_deg: float = 0.0
    sway: float = 1.0


@dataclass(frozen=True)
class Speaker:
    """number: leads the names of the clips."""

    number: int
    name: str
    voice: VoiceSpec
    habits: Habits = field(default_factory=Habits)


SPEAKERS: tuple[Speaker, ...] = (
    Speaker(1, "anna", VoiceSpec("flite", "slt"), Habits(both=0.5, smile=0.2, brows=0.5, beat_palm="up")),
    Speaker(
        2, "ben", VoiceSpec("flite", "rms"),
        Habits(amplitude=0.9, nodding=3.5, stepping=0.2, rest="waist", beat_shape="pinch", blinks_per_min=12),
    ),
    Speaker(
        3, "clara", VoiceSpec("espeak-ng", "en-us+f2", rate=0.95, size=0.97),
        Habits(dominant="left", amplitude=1.1, both=0.3, alternating=0.4, head_turning=17, shifting=0.7, elbow=0.15),
    ),
    Speaker(
        4, "david", VoiceSpec("espeak-ng", "en-gb-scotland", pitch=0.95),
        Habits(beating=0.5, gesturing=0.8, beat_shape="flat", beat_palm="in", stance_m=0.13, stepping=0.15, jaw=0.9),
    ),
    Speaker(
        5, "emma", VoiceSpec("flite", "slt", pitch=1.08, rate=1.1, size=0.92),
        Habits(amplitude=1.15, tempo=1.15, beating=0.85, both=0.6, stepping=0.6, roaming_m=0.7, brows=0.6, smile=0.25),
    ),
    Speaker(
        6, "frank", VoiceSpec("flite", "awb", rate=0.95),
        Habits(rest="mixed", beat_shape="point", beat_palm="down", nodding=7, sway=1.4, blinks_per_min=22, lean_deg=3),
    ),
    Speaker(
        7, "grace", VoiceSpec("espeak-ng", "en-us+f4", pitch=1.05, rate=1.05),
        Habits(both=0.7, alternating=0.1, rest="waist", amplitude=0.85, beat_m=0.045, beat_palm="up", smile=0.18,
               jaw=1.1),
    ),
    Speaker(
        8, "henry", VoiceSpec("festival", "kal_diphone", pitch=0.95),
        Habits(dominant="left", tempo=0.88, beating=0.55, rest_after_s=1.2, gaze_away=0.5, stance_m=0.12, smile=0.05),
    ),
    Speaker(
        9, "ines", VoiceSpec("espeak-ng", "en-gb-x-rp+f3", rate=1.0, size=1.03),
        Habits(beat_shape="spread", beat_palm="down", elbow=0.25, head_turning=15, nodding=4, turn_deg=20,
               stepping=0.45),
    ),
    Speaker(
        10, "jack", VoiceSpec("flite", "rms", rate=1.08, size=1.07),
        Habits(amplitude=1.2, tempo=1.1, both=0.55, beat_m=0.085, beat_shape="flat", stepping=0.5, sway=1.3, jaw=1.1),
    ),
    Speaker(
        11, "kate", VoiceSpec("festival", "cmu_us_slt_arctic_hts", rate=1.0, size=1.04),
        Habits(alternating=0.5, both=0.2, rest="mixed", beat_palm="up", nodding=6, shifting=0.8, roaming_m=0.35),
    ),
    Speaker(
        12, "leo", VoiceSpec("espeak-ng", "en-us+m3", pitch=0.9, rate=1.02, size=1.05),
        Habits(gesturing=0.95, beating=0.6, amplitude=1.05, beat_shape="pinch", rest_after_s=2.4, lean_deg=2,
               brows=0.3),
    ),
)  # fmt: skip

_BY_NUMBER = {speaker.number: speaker for speaker in SPEAKERS}


def speaker_of(number: int) -> Speaker:
    return _BY_NUMBER[number]
