"""The weights that users can choose from, loaded when first asked for and shared by all."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from pathlib import Path

from emage.batch import make_unlike
from emage.errors import Cancelled, WeightsError
from emage.hub import DEFAULT_REPO, EMBEDDED_NAME, WeightsSource, need_of_words, say_need_of_words
from emage.pipeline import EmagePipeline, Progress

OWN = ""
"""What stands for the weights that the app was started with."""
DEMO_SPEAKERS = (
    "Anna", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Ines", "Jack", "Kate", "Leo"
)  # fmt: skip
_STORED = 2
"""Of the others than those of the start, in memory."""
_TELL_EVERY_S = 0.4
STAGE_WAITING = "Waiting for the weights"


class WeightsRegistry:
    """pipeline: that of the start, always there. offered: names that users may choose. any_named: they may name any
    folder of this machine and any repo; where they may not, they see of a folder its name alone, and the methods here
    know it by that. load: makes a pipeline from a name and, as `progress=`, what is told how far it is. Safe between
    threads."""

    def __init__(
        self,
        pipeline: EmagePipeline,
        offered: Sequence[str] = (EMBEDDED_NAME, DEFAULT_REPO),
        any_named: bool = False,
        load: Callable[..., EmagePipeline] = EmagePipeline.from_pretrained,
    ):
        self.own = pipeline
        self.any_named = any_named
        own = find_name(pipeline)
        others = [name for name in dict.fromkeys(offered) if name != own]
        known = _known_as([*others, *([own] if own else [])], any_named)
        self._own_name = known[own] if own else None
        self._offered = tuple(known[name] for name in others)
        self._named = {shown: name for name, shown in known.items()}
        self._load = load
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, EmagePipeline] = OrderedDict()
        self._loading: dict[str, Future[EmagePipeline]] = {}

    def choices(self) -> list[tuple[str, str]]:
        """(label, name)."""
        return [(f"{_label(self._own_name or '') or describe_source(self.own.source)} (loaded)", OWN)] + [
            (_label(name) or name, name) for name in self._offered
        ]

    def offers(self, name: str | None) -> bool:
        return self.any_named or (name or OWN) in (OWN, self._own_name, *self._offered)

    def name_for_settings(self, name: str | None) -> str | None:
        """As the command line and a saved session name weights; None for the command line's default."""
        name = name or self._own_name
        return None if name == self._own_name == DEFAULT_REPO else name

    def choice(self, name: str | None) -> str:
        """The entry of `choices` for a name of `TakeSettings`; for none it is the own weights."""
        return OWN if name in (None, self._own_name) else name

    def loaded(self, name: str | None = None) -> EmagePipeline | None:
        """The pipeline of a name where it is in memory; nothing is fetched."""
        name = (name or OWN).strip()
        return self.own if name in (OWN, self._own_name) else self._loaded.get(name)

    def need_of_words(self, name: str | None = None) -> str | None:
        """What a transcript is to weights, see `emage.hub.need_of_words`; None where that is not known yet. Nothing is
        loaded."""
        pipeline = self.loaded(name)
        if pipeline is not None:
            config = pipeline.generator.config
            return say_need_of_words(config.vocabulary > 0, config.waveform)
        name = (name or OWN).strip()
        return need_of_words(self._named.get(name, name)) if self.offers(name) else None

    def pipeline(self, name: str | None = None, progress: Progress | None = None) -> EmagePipeline:
        """The pipeline of a name. Weights that are being loaded keep those waiting who asked for them, and nobody else.

        progress: told how far a download is; what it raises ends it, or the waiting for another's.

        Raises:
            WeightsError: not offered here, or what `EmagePipeline.from_pretrained` raises.
        """
        name = (name or OWN).strip()
        if name in (OWN, self._own_name):
            return self.own
        if not self.offers(name):
            offered = ", ".join(label for label, _ in self.choices())
            raise WeightsError(f"Weights '{name[:80]}' are not offered here. Choose from: {offered}.")
        while True:
            with self._lock:
                if name in self._loaded:
                    self._loaded.move_to_end(name)
                    return self._loaded[name]
                coming = self._loading.get(name)
                if coming is None:
                    ours = self._loading[name] = Future()
            if coming is None:
                return self._load_for_all(name, ours, progress)
            try:
                while not wait([coming], _TELL_EVERY_S).done:
                    if progress is not None:
                        progress(STAGE_WAITING, 0, 0)
                return coming.result()
            except Cancelled:
                if coming.done():  # who loaded them has cancelled, and not this one
                    continue
                raise

    def _load_for_all(self, name: str, ours: Future[EmagePipeline], progress: Progress | None) -> EmagePipeline:
        try:
            pipeline = self._load(self._named.get(name, name), progress=progress)
        except BaseException as error:
            with self._lock:
                del self._loading[name]  # who asks again tries again
            ours.set_exception(error)
            raise
        with self._lock:
            del self._loading[name]
            self._loaded[name] = pipeline
            while len(self._loaded) > _STORED:
                self._loaded.popitem(last=False)
        ours.set_result(pipeline)
        return pipeline


def find_name(pipeline: EmagePipeline) -> str | None:
    """What to give `from_pretrained` for the same weights, where that is known."""
    source = pipeline.source
    if source is None:
        return None
    if source.kind == "folder":
        return source.description
    return EMBEDDED_NAME if source.kind == "embedded" else source.description.split(" at ")[0]


def _known_as(names: Sequence[str], any_named: bool) -> dict[str, str]:
    """What users call each of some weights, no two alike."""
    known: dict[str, str] = {}
    for name in sorted(names, key=_is_folder):  # folders last, for other names stay as they are
        alone = Path(name).resolve().name if _is_folder(name) and not any_named else name
        known[name] = make_unlike(alone, lambda shown: shown in known.values())
    return known


def _is_folder(name: str) -> bool:
    return name != EMBEDDED_NAME and Path(name).is_dir()


def describe_source(source: WeightsSource | None) -> str:
    """Where weights come from, for users: of a folder of this machine they see its name alone."""
    if source is None:
        return "given by the program"
    if source.kind == "embedded":
        return "embedded demo weights"
    return Path(source.description).name if source.kind == "folder" else source.description


def list_speakers(pipeline: EmagePipeline) -> list[tuple[str, int]]:
    """(label, index) of the speakers that weights know."""
    count = pipeline.generator.config.speakers
    is_demo = pipeline.source is not None and pipeline.source.kind == "embedded" and count == len(DEMO_SPEAKERS)
    return [(DEMO_SPEAKERS[index] if is_demo else f"Speaker {index}", index) for index in range(count)]


def _label(name: str) -> str:
    return {EMBEDDED_NAME: "Demo weights, small", DEFAULT_REPO: "Published weights, 600 MB"}.get(name, "")
