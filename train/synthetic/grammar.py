"""Sentences from a grammar of our own, rich in words that call for gestures.

Notation: `{name}` is replaced by one of the rule's choices, `*word` is emphasised, `,` is a pause inside the sentence,
and `. ? !` end it. Only lower-case words without apostrophes and digits are used, so that every synthesizer speaks one
word for one token.
"""

import re
from dataclasses import dataclass, replace

import numpy as np

from train.synthetic.lists import read_lists

_TEMPLATES_TEXT = """
{filler}, {who} {never} {saw} such a {size} {thing}.
{who} {saw} {number} {things} {place}.
{who} {saw} a {big} {thing}, and a {small} {thing}.
the {thing} was this {big}, and {whom} was {small}.
i {think} that {who} {went} {place} {time}.
look {up}, look {down}, and then look {place}.
no, no, {who} did *not {see} the {thing}.
no, that is *not what i said!
yes, {who} {went} {place}, and {who} {saw} {number} {things}.
do you {see} the {thing} {place}?
what do you {think} about the {size} {thing}?
where is the {thing}, {place}, or {place}?
who told {whom} about the {thing}?
why did {who} {see} it {time}?
maybe {who} will {see} it {time}, maybe not.
stop, wait, you can not {go} there {time}!
first, {who} {went} {place}, second, {who} {saw} a {thing}, and third, {who} {went} home.
it was *so {feeling}, i could {never} {see} it.
come here, and give {whom} the {thing}.
give me {number} {things}, not {number}.
the {thing} goes {up}, and the {thing} goes {down}.
prices go {up}, but my money goes {down}.
{all} of the {things} are {place}.
it is {place}, very {place}, and it is mine.
on one hand, it is {big}, on the other hand, it is {feeling}.
this one is mine, and that one is yours.
i love {whom}, and {whom} loves me.
i feel {feeling}, here, in my heart.
{who} called {whom} on the phone {time}.
listen, can you hear the {thing} {place}?
think about it, {who} {never} {saw} {all} of it.
turn left, then turn right, and go straight on.
from the left to the right, from {up} to {down}.
everybody {went} {place}, and nobody {saw} {whom}.
i have *no idea where the {thing} is.
you and i, we will {see} it together.
there are {number} reasons, and i will give you {number} of them.
the door opened, {who} looked {place}, and it closed again.
it is only a {small}, {small} {thing}.
{who} {went} {quick} around the {thing}, and {went} {place}.
{who} {saw} it with my own eyes.
that was good, really *good, it was perfect.
please be quiet, {who} can hear {whom}.
{time}, {who} {went} {place}, but {time}, {who} will {go} {place}.
between you and me, it is a {size} {thing}.
cut it here, push it {down}, and pull it {up}.
we must be strong, and fight for our {thing}.
more and more people {think} so, less and less {think} like you.
i am {feeling}, you are {feeling}, what more do we want?
how many {things} do you have, {number}, or {number}?
that is enough, it is over, the end.
who, me?
of course, {who} {think} the same about {whom}.
the {thing} was {big}, {big}, and {who} was {small}.
wait a second, {who} {went} {place}?
let us {go} together, {time}, {place}.
the {noun} of the {noun} was {quality}, and {manner} {quality}.
{who} {did} the {noun}, the {noun}, and the {noun}.
{manner}, the {quality} {noun} {did} the {noun}.
it is {quality} to have {quality} {noun} with the {noun}.
the {quality} {noun} was about {noun} and {noun}.
people {manner} {did} their {noun} with {quality} {noun}.
my {noun} {did} a {quality} {noun} during the {noun}.
{filler}, the {noun} is {quality}, but the {noun} is {quality}.
some {noun} can be {quality}, which is {manner} {quality}.
is the {noun} as {quality} as the {noun}?
the {quality} part of the {noun} is its {noun}.
after the {noun}, {who} {did} the {quality} {noun}.
{manner} {quality}, {manner} {quality}, and {manner} {quality}.
our {noun} needs a {quality} {noun}, not a {quality} {noun}.
{who} {manner} {did} {noun}, {noun}, and {quality} {noun}.
please {give} {whom} the {thing}, and {give} {whom} {number} {things}.
{who} {gave} {whom} {count} {things} {time}.
the {thing} {rises} {up}, and the {thing} {falls} {down}.
the prices {rose}, and then the {noun} {fell}.
{no}, {who} {think} that is {wrong}.
{yes}, this {noun} is {feeling}.
we must be {strong}, we fight, and we win.
{who} {tell} {whom} {time}, and {tell} {whom} again.
the {ordinal} {thing} was {color}, the {ordinal} one was {color}.
{count} {things} {went} {place}.
{maybe} {who} {went} to {country}, {maybe} to {city}.
the {color} {thing} {costs} too much {money}.
turn the {thing} around, roll it, and {stop}.
how much {money}, {number} dollars?
{who} {went} to {city} in {month}, and {went} back in {month}.
the {person} {saw} the {color} {thing} of the {person}.
{who} {did} the {quality} {thing} with {whom}.
{name} {did} {whom}, and {name} {did} the {person}.
my {relative} is a {person}, and your {relative} is a {quality} {person}.
on {weekday} {who} {saw} {count} {color} {things}.
in {country} the {noun} is {quality}, in {country} it is {quality}.
every {daytime} the {person} {went} {quick} {place}.
the {person} is {feeling}, the {person} is {feeling}.
{who} {think} the {person} will {do} the {plain_thing}.
i will {do} the {noun}, and you {do} the {noun}.
the {thin} {thing} and the {long} {thing} are {color}.
a {tall} {plain_thing}, a {deep} {noun}, and a {big} {noun}.
{all} is {quality}, {all} is {feeling}.
{stop}, {who} {saw} something {place}.
these {things} are {quality}, those {things} are {quality}.
{who} {went} {quick}, then {quick}.
{manner}, {who} {never} {do} the {plain_things}.
{number}, {number}, {number}, and here we go.
"""


_LISTS_TEXT = """
{any}, {any}, and {any}.
{any} and {any}, and then {any}.
is it {any}, or is it {any}?
the words are {any}, {plain}, and {any}.
{who} said {any}, and {who} said {any}.
first {any}, then {plain}, and later {any}.
not {any} but {any}.
{plain} or {any}, {any} or {plain}.
i like {plain}, {plain}, and {plain}.
{who} went {plain} with the {plain} and the {plain}.
"""

_RULES = {
    name: [choice.strip() for choice in choices.split("|")] for name, choices in read_lists("lexicon.txt").items()
}
_RULES["any"] = [word for words in read_lists("dictionary.txt").values() for word in words.split()]
_TEMPLATES, _LISTS = (text.strip().splitlines() for text in (_TEMPLATES_TEXT, _LISTS_TEXT))
_LIST_CHANCE = 0.35
"""Of sentences that string words of the dictionary together, so that the rarest of them is heard often enough."""
_STRESS_CHANCE = 0.08
"""Of any word but the short ones, so that words are heard with and without stress."""
_SHORT_LETTERS = 3
_SLOT = re.compile(r"\{(\w+)\}")
_TOKEN = re.compile(r"(\*?)([a-z]+)([,.?!]?)")


@dataclass(frozen=True)
class Token:
    """A word to be spoken. ending: the sign behind it."""

    text: str
    emphasis: bool = False
    ending: str = ""


def sentence(rng: np.random.Generator) -> tuple[Token, ...]:
    """One sentence; its last token ends with '.', '?' or '!'."""
    text = str(rng.choice(_LISTS if rng.random() < _LIST_CHANCE else _TEMPLATES))
    while match := _SLOT.search(text):
        text = text[: match.start()] + str(rng.choice(_RULES[match[1]])) + text[match.end() :]
    stressed = rng.random(len(text.split())) < _STRESS_CHANCE
    return tuple(
        replace(token, emphasis=True) if is_stressed and len(token.text) > _SHORT_LETTERS else token
        for token, is_stressed in zip(tokens(text), stressed, strict=True)
    )


def tokens(text: str) -> tuple[Token, ...]:
    """'no, that is *not it!' -> its tokens."""
    return tuple(Token(word, bool(star), ending) for star, word, ending in _TOKEN.findall(text))
