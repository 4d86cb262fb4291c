"""EmagePipeline: what a user of the library calls.

pipe = EmagePipeline.from_pretrained()
motion = pipe.generate("talk.wav")
pipe.render_video("talk.mp4", [Take(motion)], "talk.wav")
"""

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import ModelHubMixin

from emage.body import Body, load_body
from emage.body.face import FaceMapLoader, loader_of
from emage.errors import EmageError
from emage.export.settings import ExportSettings
from emage.export.takes import STAGE_VIDEO, Progress, export_take, render_video
from emage.generation.listener import Listener
from emage.generation.sampling import SamplingConfig, load_sampling, save_sampling
from emage.generation.settings import EXACT, TakeSettings
from emage.generation.stream import DecodeStage, split_codes
from emage.generation.take import Request, Take
from emage.generation.windows import ContentShare, Window, content_share, plan_windows
from emage.hints import Hints
from emage.hub import WeightsSource, find_weights
from emage.models.checkpoint import ALL_FOLDERS, load_networks, save_network
from emage.models.codec import MotionCodec
from emage.models.generator import Generator
from emage.models.parts import Parts
from emage.motion import FLAME2020, Motion, join_motions
from emage.motion.stages import Pieces, run_stages
from emage.recording.audio import AudioSource, load_audio
from emage.recording.features import Speech
from emage.recording.recording import Recording
from emage.recording.vocabulary import VOCABULARY_NAMES, Vocabulary, load_vocabulary
from emage.render.settings import RenderSettings
from emage.speech_to_motion import stream_motion

__all__ = ["STAGE_MOTION", "STAGE_VIDEO", "EmagePipeline", "Progress", "Take", "render_video"]

STAGE_MOTION = "Generating motion"


class EmagePipeline(
    ModelHubMixin,
    library_name="emage",
    license="apache-2.0",
    pipeline_tag="audio-to-audio",
    tags=["emage", "smplx", "co-speech-gesture"],
):
    """Speech to motion, and motion to video.

    generator, codec: the networks, put in eval mode.
    source: where they come from.
    body_loader: makes the body when it is first needed.
    sampling: what the weights ask for when they are sampled; as published by default.
    face_maps: for hints whose faces are in another basis than the weights make; by default from the matrix's authors.
    vocabulary: of a generator that hears words; without one, every word is unknown to it.
    """

    def __init__(
        self,
        generator: Generator,
        codec: MotionCodec,
        source: WeightsSource | None = None,
        body_loader: Callable[[], Body] = load_body,
        face_maps: FaceMapLoader | None = None,
        sampling: SamplingConfig | None = None,
        vocabulary: Vocabulary | None = None,
    ):
        self.generator = generator.eval()
        self.codec = codec.eval()
        self.source = source
        self.sampling = sampling or SamplingConfig()
        self.face_maps = face_maps or loader_of()
        self.vocabulary = vocabulary
        self._body_loader = body_loader

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path | None = None,
        *,
        revision: str | None = None,
        device: str | torch.device | None = None,
        smplx_file: str | Path | None = None,
        accept_smplx_licence: bool = False,
        face_maps: FaceMapLoader | None = None,
        progress: Progress | None = None,
    ) -> "EmagePipeline":
        """Load all six networks.

        With weights from the Hub whose faces are FLAME's comes the small matrix that shows them on the stand-in body;
        where it cannot be had, that is told when a face is to be shown.

        Args:
            weights: a folder in the released layout or the paper's, a repo id on the Hub, or "demo" for the embedded
                weights; by default the published weights, or the embedded ones where those cannot be reached (see
                `source.notice`).
            revision: of the repo.
            device: of the networks; by default a CUDA GPU where there is one, else the CPU. Raises EmageError where
                it is not there.
            smplx_file, accept_smplx_licence: which body to draw; see `emage.body.model.load_body`.
            face_maps: where the matrix comes from that takes faces to another basis; by default from its authors.
            progress: called while weights are downloaded; what it raises ends the download.

        Raises:
            WeightsError: no weights, damaged ones, or ones that do not fit their config.
        """
        device = _usable_device(device)  # first, for weights may take minutes
        source = find_weights(weights, revision, progress)
        generator, codec = load_networks(source.folders)
        vocabulary = source.vocabulary and load_vocabulary(source.vocabulary, size=generator.config.vocabulary)
        sampling = load_sampling(source.folders["generator"])
        face_maps = face_maps or loader_of()
        if source.kind == "hub" and generator.config.expression_basis == FLAME2020:
            face_maps.available()
        return cls(
            generator.to(device),
            codec.to(device),
            source,
            lambda: load_body(smplx_file, accept_smplx_licence, face_maps),
            face_maps,
            sampling,
            vocabulary,
        )

    @property
    def hears_words(self) -> bool:
        """Whether a transcript makes a difference to these weights."""
        return self._listener.hears_words

    def reads(self, recording: Recording) -> bool:
        """Whether a recording's part is heard by its rhythm and words. Weights that can hear the waveform as well do
        so where there are no words, or they know next to none of them, as in another language.
        """
        return self._listener.reads(recording)

    def count_known(self, recording: Recording) -> int:
        """How many words of a recording's part are in the weights' vocabulary."""
        return self._listener.count_known(recording)

    @cached_property
    def body(self) -> Body:
        """The body model; loaded when first asked for. Raises BodyError."""
        return self._body_loader()

    def stream(
        self,
        recording: Recording,
        hints: Hints | None = None,
        settings: TakeSettings | None = None,
        progress: Progress | None = None,
        *,
        seed_motion: Motion | None = None,
    ) -> Pieces:
        """Motion for a recording as it is made: pieces that follow one another, each as it stays.

        Joined (`emage.motion.join_motions`) they are what `generate` gives, to the last bit. A piece comes about once a
        window, in memory that does not grow with the recording; close the iterator to stop the work. Nothing is made
        before a piece is asked for, but faults are told at once.

        Args:
            settings: the `weights` in them are for who loads the pipeline.
            recording, hints, progress, seed_motion: see `generate`.

        Raises:
            EmageError: as `generate`.
        """
        settings = settings or TakeSettings()
        self._check(settings)
        return self._stream(self._listener.hear(recording), hints, settings, progress, seed_motion)

    def count_frames(self, recording: Recording, settings: TakeSettings | None = None) -> int:
        """How many frames `stream` and `generate` give for a recording. Raises AudioError: see `plan_windows`."""
        timing = (settings or TakeSettings()).timing
        windows = self.plan_windows(len(recording.part_samples), timing)
        return sum(window.kept_frames for window in windows)

    def generate(
        self,
        audio: AudioSource | Recording,
        hints: Hints | None = None,
        speaker: int = 0,
        seed: int | None = None,
        timing: str = EXACT,
        progress: Progress | None = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        translation: str | None = None,
        seam_frames: int | None = None,
        seed_motion: Motion | None = None,
        max_duration_s: float | None = None,
        use_audio: bool = True,
    ) -> Motion:
        """Motion for a recording: round(N * 30 / 16000) frames for N samples at 16 kHz.

        Args:
            audio: a recording, of whose part that is used, and whose words, it is made; or a file, or (rate_hz,
                samples), of which no words are known.
            hints: parts of the user's own, over spans of time. A face of another basis than the weights' is taken
                over to theirs, where the matrix for that can be had.
            speaker, seed, timing, temperature, top_k, translation, seam_frames, use_audio: see `TakeSettings`.
            progress: called after each window; what it raises stops the work.
            seed_motion: at least four frames that the motion goes on from, by their end; its root trajectory too.
            max_duration_s: refuse a longer recording.

        Raises:
            AudioError, HintError: see `load_audio` and `Hints`.
            EmageError: no such speaker, or settings out of range.
        """
        settings = TakeSettings(None, speaker, seed, temperature, top_k, timing, translation, seam_frames, use_audio)
        self._check(settings)
        speech = self._listener.hear(audio if isinstance(audio, Recording) else load_audio(audio, max_duration_s))
        return join_motions(list(self._stream(speech, hints, settings, progress, seed_motion)))

    def take(self, request: Request, progress: Progress | None = None) -> Take:
        """`generate` for a request; the `weights` of its settings are for who loads the pipeline."""
        started = time.monotonic()
        motion = join_motions(list(self.stream(request.recording, request.hints, request.settings, progress)))
        took_s = time.monotonic() - started
        return Take(motion, request.caption, request.hints, request.recording, request.settings, took_s)

    def content_share(self, recording: Recording, timing: str = EXACT) -> ContentShare:
        """How much of what the weights hear at each frame of the recording's part is its words, and not its rhythm.

        Raises:
            EmageError: the weights hear no words, or nothing but sound without some. AudioError: see `plan_windows`.
        """
        if not self.reads(recording):
            raise EmageError(
                "These weights hear no words of this recording, so there is no share of theirs. Choose weights with a "
                "vocabulary, and give the recording its words."
            )
        speech = self._listener.hear(recording)
        return content_share(self.generator, speech, self.plan_windows(len(speech.audio), timing))

    def plan_windows(self, num_samples: int, timing: str = EXACT) -> list[Window]:
        """The windows by which a recording of so many samples at 16 kHz is generated; raises as `plan_windows`."""
        return plan_windows(num_samples, self.generator.config, timing, self.sampling.lookahead_frames)

    @property
    def _listener(self) -> Listener:
        return Listener(self.generator.config, self.vocabulary)

    def _check(self, settings: TakeSettings) -> None:
        settings.check_sample()
        speakers = self.generator.config.speakers
        if settings.speaker >= speakers:
            raise EmageError(f"There is no speaker {settings.speaker}; these weights know 0 to {speakers - 1}.")

    def _stream(
        self,
        speech: Speech,
        hints: Hints | None,
        settings: TakeSettings,
        progress: Progress | None,
        seed_motion: Motion | None = None,
    ) -> Pieces:
        return stream_motion(
            self.generator,
            self.codec,
            speech,
            hints,
            settings,
            sampling=self.sampling,
            face_maps=self.face_maps,
            body_of=lambda: self.body,
            progress=None if progress is None else lambda done, total: progress(STAGE_MOTION, done, total),
            seed_motion=seed_motion,
        )

    def render_video(
        self,
        path: str | Path,
        takes: Sequence[Take],
        audio: AudioSource | Recording | None = None,
        settings: RenderSettings | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Takes side by side as an mp4 with sound.

        Args:
            path: the mp4; it appears whole or not at all.
            takes: motions of one frame rate; the longest sets the length.
            audio: the sound, cut or filled with silence to the length of the motion: a recording's part that is used,
                a file, or (rate_hz, samples); None for a silent film.
            settings: how to draw.
            progress: called after each frame; what it raises stops the work.

        Raises:
            RenderError, VideoError, OutputError, BodyError.
        """
        return render_video(path, takes, self.body, audio, settings, progress)

    def export(
        self,
        path: str | Path,
        take: Take | Motion,
        audio: AudioSource | Recording | None = None,
        settings: ExportSettings | None = None,
    ) -> list[Path]:
        """A motion for other tools, by the ending of `path`: GLB, BVH, or a face in ARKit's weights as CSV or JSON.

        Args:
            path: it appears whole or not at all.
            take: at 30 frames a second. With hints, parts that are one for most of the time are in its grey in a GLB.
            audio: written as a wav beside it, as long as the motion; as in `render_video`.
            settings: see `ExportSettings`.

        Returns:
            What was written.

        Raises:
            ExportError: another ending or another frame rate. BodyError: a face in another basis that cannot be taken
                over. OutputError, AudioError.
        """
        return export_take(path, take, self.body, audio, settings)

    def decode(self, codes: Parts[torch.Tensor], start_position: np.ndarray, betas: np.ndarray | None = None) -> Motion:
        """Codes (1, T) of each part -> Motion whose path starts at x and z of `start_position` (3,)."""
        config = self.generator.config
        stage = DecodeStage(self.codec, start_position, config.conventions, config.expression_basis, betas)
        return join_motions(list(run_stages(split_codes(codes), [stage])))

    def check_hints(self, hints: Hints | None) -> None:
        """Raise HintError where these weights cannot take the hints, as `generate` would; None is always taken."""
        if hints is not None:
            basis = self.generator.config.expression_basis
            self.face_maps.hints(hints, basis).check_basis(basis, self.face_maps.reason)

    def _save_pretrained(self, save_directory: Path) -> None:
        """The released layout, with safetensors; `save_pretrained` and `push_to_hub` come from ModelHubMixin."""
        for name, network in {"generator": self.generator, **self.codec.networks}.items():
            save_network(network, save_directory / ALL_FOLDERS[name])
        save_sampling(self.sampling, save_directory)
        if self.vocabulary is not None:
            self.vocabulary.save(save_directory / VOCABULARY_NAMES[0])


def _usable_device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise EmageError(f"The device '{device}' cannot be used here ({reason}). Give cpu.") from error
