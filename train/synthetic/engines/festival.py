"""Speech by festival, a program that is given a script: times from the utterance's structure."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import soundfile

from train.synthetic.engines.spoken import DEBIAN_PACKAGES, Phrase, SpokenPhone, SpokenPhrase, not_installed
from train.synthetic.errors import CorpusError
from train.synthetic.phones import SILENCE

_PHRASE = """
(Parameter.set 'Duration_Stretch {stretch:.4f})
(set! int_lr_params (list (list 'target_f0_mean {f0_hz:.1f}) '(target_f0_std 14) '(model_f0_mean 170)
  '(model_f0_std 34)))
(set! utt (SynthText "{text}"))
(format t "utterance\\n")
(mapcar (lambda (segment) (format t "%s %s %s %s\\n" (item.name segment) (item.feat segment "end")
  (item.feat segment "R:SylStructure.parent.stress") (item.feat segment "R:SylStructure.parent.parent.id")))
  (utt.relation.items utt 'Segment))
(utt.save.wave utt "{path}")
"""


def speak_with_festival(voice_name: str, phrases: Sequence[Phrase]) -> list[SpokenPhrase]:
    program = shutil.which("festival")
    if program is None:
        raise not_installed("festival", "festival")
    with tempfile.TemporaryDirectory(prefix="emage_festival_") as folder:
        paths = [Path(folder) / f"{i}.wav" for i in range(len(phrases))]
        script = f"(voice_{voice_name})" + "".join(
            _PHRASE.format(stretch=1 / phrase.rate, f0_hz=105 * phrase.pitch, text=phrase.text, path=path)
            for phrase, path in zip(phrases, paths, strict=True)
        )
        (Path(folder) / "script.scm").write_text(script)
        done = subprocess.run([program, "-b", f"{folder}/script.scm"], capture_output=True, text=True, check=False)
        if done.returncode != 0 or not all(path.is_file() for path in paths):
            raise CorpusError(
                f"festival could not speak with the voice {voice_name}: {done.stderr.strip()[-300:]} "
                f"Install its packages: apt-get install {' '.join(DEBIAN_PACKAGES)}."
            )
        blocks = done.stdout.split("utterance\n")[1:]
        return [read_report(block, path) for block, path in zip(blocks, paths, strict=True)]


def read_report(block: str, path: Path) -> SpokenPhrase:
    """block: a line a segment, as the script prints them: phone, end in seconds, stress, id of the word or 0."""
    audio, rate_hz = soundfile.read(path, dtype="float32")
    phones, start_s, words = [], 0.0, {}
    for line in block.strip().splitlines():
        label, end_s, stress, word_id = line.split()
        is_silence = word_id == "0"
        word = -1 if is_silence else words.setdefault(word_id, len(words))
        phones.append(SpokenPhone(SILENCE if is_silence else label, start_s, float(end_s), stress == "1", word))
        start_s = float(end_s)
    return SpokenPhrase(audio, rate_hz, tuple(phones))
