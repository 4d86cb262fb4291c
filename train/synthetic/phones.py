"""The phones of the corpus: ARPAbet in lower case as flite and festival name them, and espeak-ng's mapped to them."""

from train.synthetic.errors import CorpusError

SILENCE = "pau"

_VOWELS_TEXT = "aa ae ah ao aw ax ay eh er ey ih iy ow oy uh uw"
_CONSONANTS_TEXT = "b ch d dh f g hh jh k l m n ng p r s sh t th v w y z zh"
VOWELS = frozenset(_VOWELS_TEXT.split())
CONSONANTS = frozenset(_CONSONANTS_TEXT.split())
PHONES = VOWELS | CONSONANTS | {SILENCE}

BILABIALS = frozenset(("b", "m", "p"))
"""The lips meet and the jaw is closed."""

_ESPEAK = {
    # Vowels of the English voices, American and British.
    "aI": "ay", "aI2": "ay", "IR": "er", "VR": "er",
    "aI@": "ay", "aI3": "ay", "aU": "aw", "aU@": "aw", "a": "ae", "a#": "ax", "aa": "ae", "A": "aa",
    "A:": "aa", "A@": "aa", "0": "aa", "0#": "aa", "O": "ao", "O:": "ao", "O@": "ao", "o@": "ao", "O2": "ao",
    "o:": "ao",
    "OI": "oy", "oU": "ow", "oU#": "ow", "o": "ow", "@U": "ow", "@": "ax", "@2": "ax", "@5": "ax", "@L": "ax",
    "3": "er", "3:": "er", "r-": "er", "E": "eh", "E#": "eh", "e": "eh", "e@": "eh", "E@": "eh", "E2": "eh",
    "eI": "ey",
    "I": "ih", "I2": "ih", "I#": "ih", "I3": "ih", "I@": "ih", "i@": "ih", "i@3": "ih", "i": "iy", "i:": "iy",
    "U": "uh", "U@": "uh", "u": "uw", "u:": "uw", "V": "ah", "V2": "ah",
    # Consonants.
    "b": "b", "d": "d", "D": "dh", "dZ": "jh", "f": "f", "g": "g", "h": "hh", "j": "y", "k": "k", "l": "l", "L": "l",
    "l/": "l", "m": "m", "n": "n", "N": "ng", "p": "p", "r": "r", "R": "r", "s": "s", "S": "sh", "t": "t", "t2": "t",
    "t#": "t", "T": "th", "tS": "ch", "v": "v", "w": "w", "x": "k", "z": "z", "z/": "z", "Z": "zh", "?": "t", "*": "d",
    "w#": "w",
    "d#": "d", "n-": "n", "m-": "m", "l#": "l", "C": "hh", "Q": "g",
}  # fmt: skip

# What other languages have beside these, or pronounce otherwise: the English phone of the same mouth.
_ESPEAK_ELSEWHERE = {
    "de": {
        "a": "aa", "3": "ax", "E:": "eh", "e:": "ey", "y": "uw", "y:": "uw", "Y": "uh", "Y:": "uw", "W": "uh",
        "Y#": "uh", "OY": "oy", "ts": "s", "pF": "f",
    },
}  # fmt: skip

_ESPEAK_SILENCES = frozenset(("", "_", "_:", "_!", "_|", "_::", "_^_", ";", "||", "|"))


def from_espeak(mnemonic: str, language: str = "en") -> str:
    """The phone that espeak-ng's voices of a language call `mnemonic`; SILENCE for its pauses.

    Raises:
        CorpusError: a phone that these voices are not known to have.
    """
    if mnemonic in _ESPEAK_SILENCES:
        return SILENCE
    phones = _ESPEAK | _ESPEAK_ELSEWHERE.get(language, {})
    if mnemonic not in phones:
        raise CorpusError(
            f"espeak-ng gave the phone '{mnemonic}', which train/synthetic/phones.py does not know. Add it."
        )
    return phones[mnemonic]
