"""Sentences from a grammar of our own, rich in words that call for gestures.

Notation: `{name}` is replaced by one of the rule's choices, `*word` is emphasised, `,` is a pause inside the sentence,
and `. ? !` end it. Only lower-case words without apostrophes and digits are used, so that every synthesizer speaks one
word for one token.
"""

import re
from dataclasses import dataclass

import numpy as np

_RULES_TEXT = {
    "who": "i|i|i|we|we|you|you|they|he|she",
    "whom": "me|you|us|them|him|her|everybody|nobody|my friend|your brother|our neighbor|the whole team",
    "big": "big|huge|enormous|large|wide|*big|*huge|*enormous|very large",
    "small": "small|tiny|little|*small|*tiny|very little|short",
    "size": "{big}|{small}|long|round|tall|high|deep|thin",
    "number": "one|two|three|four|five|six|seven|eight|nine|ten|*two|*three|*five",
    "things": "houses|boats|letters|apples|children|questions|stories|mountains|bottles|pictures|boxes|problems|people",
    "thing": "house|boat|letter|table|story|mountain|bottle|picture|box|problem|garden|river|machine|window|fish|book|"
    "ball|bridge|city|tree|room",
    "up": "up|higher|upwards|*up",
    "down": "down|lower|downwards|*down",
    "place": "here|there|over there|right here|outside|at home|far away|up there|down here|behind the {thing}|"
    "in the middle|between the two {things}|next to the {thing}|around the {thing}|on the left|on the right side",
    "time": "yesterday|tomorrow|now|today|before|later|a long time ago|next week|last year|in the future|in the past",
    "never": "never|*never|not|always|*always|really|still|almost never",
    "saw": "saw|found|built|bought|remember|forgot|opened|closed|took|lost|pushed|pulled|threw|carried|wrote|cut|"
    "dropped",
    "see": "see|find|build|buy|remember|forget|open|close|take|lose|push|pull|throw|carry|write about|cut|drop",
    "went": "went|came|ran|walked|jumped|fell|flew|drove",
    "go": "go|come|run|walk|jump|turn|swim|drive",
    "feeling": "happy|sad|angry|tired|afraid|proud|sure|strong|crazy|quiet|good|perfect|bad|terrible",
    "think": "think|know|believe|feel|hope|guess|remember|suppose",
    "quick": "quickly|slowly|fast|again and again|step by step|all together|all alone|suddenly",
    "noun": "music|weather|paper|summer|doctor|market|coffee|winter|village|kitchen|teacher|language|science|history|"
    "reason|result|system|program|moment|evening|morning|answer|company|example|animal|dinner|holiday|island|member|"
    "newspaper",
    "quality": "interesting|difficult|simple|beautiful|important|modern|different|useful|famous|careful|dangerous|"
    "curious|*interesting|*important|*different",
    "did": "explained|described|studied|changed|expected|preferred|considered|started|continued|discussed|"
    "painted|visited",
    "manner": "carefully|usually|probably|normally|certainly|especially|hardly|mostly",
    "filler": "well|so|now|you know|listen|look|okay|honestly|of course|um",
    "all": "all|every one|everything|nothing|none|half|most",
}
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
"""

_RULES = {name: text.split("|") for name, text in _RULES_TEXT.items()}
_TEMPLATES = [line for line in _TEMPLATES_TEXT.strip().splitlines() if line]
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
    text = str(rng.choice(_TEMPLATES))
    while match := _SLOT.search(text):
        text = text[: match.start()] + str(rng.choice(_RULES[match[1]])) + text[match.end() :]
    return tokens(text)


def tokens(text: str) -> tuple[Token, ...]:
    """'no, that is *not it!' -> its tokens."""
    return tuple(Token(word, bool(star), ending) for star, word, ending in _TOKEN.findall(text))
