"""Files <-> networks: reads configs and weights with care, loads them strictly, and writes them.

Nothing from a weights file is executed, and a file is loaded whole or not at all.
"""

import json
import pickletools
import re
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch.overrides import TorchFunctionMode

from emage.errors import OutputError, WeightsError
from emage.files import ZIP_DAMAGE, new_file, output_error, say_damage
from emage.models.codec import MotionCodec
from emage.models.generator import Generator, GeneratorConfig
from emage.models.paper import is_paper_text, text_config, translate, vq_config
from emage.models.parts import Parts
from emage.models.vqvae import VQVAE, GlobalMotionPredictor, VQVAEConfig
from emage.motion.skeleton import NETWORK_PARTS, PART_CHANNELS, WHOLE, WHOLE_CHANNELS

NETWORK_FOLDERS: dict[str, str] = {
    "generator": ".",
    "face": "emage_vq/face",
    "upper": "emage_vq/upper",
    "hands": "emage_vq/hands",
    "lower": "emage_vq/lower",
    "global": "emage_vq/global",
}
"""Where each network's config and weights lie, in a folder as in a repo."""

WHOLE_FOLDERS = {"generator": ".", WHOLE: "emage_vq/whole", "global": "emage_vq/global"}
"""The same where one VQ-VAE of the whole body stands in place of four."""
ALL_FOLDERS = NETWORK_FOLDERS | WHOLE_FOLDERS
"""Of every network that there may be."""

CONFIG_NAME = "config.json"
WEIGHTS_NAMES = ("model.safetensors", "pytorch_model.bin")
"""In the order of preference."""
PAPER_NAMES = ("emage_240.bin", "emage_text.bin")
"""Of the paper's text network."""
PAPER_VQ_FILES = {
    "face": "pretrained_vq/last_790_face_v2.bin",
    "upper": "pretrained_vq/upper_vertex_1layer_710.bin",
    "hands": "pretrained_vq/hands_vertex_1layer_710.bin",
    "lower": "pretrained_vq/lower_foot_600.bin",
    "global": "pretrained_vq/last_1700_foot.bin",
}
"""Of the networks beside it, without configs."""

_MAX_CONFIG_BYTES = 1 << 20
_LONGEST_NAME = 4096
_PICKLES_BEFORE_STORAGES = 5
"""Of a file as torch.save wrote it before torch 1.6."""

Network = Generator | VQVAE | GlobalMotionPredictor
Made = TypeVar("Made", Generator, VQVAE, GlobalMotionPredictor)
Codec = TypeVar("Codec", VQVAE, GlobalMotionPredictor)


def load_networks(folders: Mapping[str, Path]) -> tuple[Generator, MotionCodec]:
    """Load the six networks strictly, in float32, on the CPU.

    Args:
        folders: of each network in `NETWORK_FOLDERS` or `WHOLE_FOLDERS`, by its name there, the folder with config and
            weights, or its file as the paper has it, without a config.

    Raises:
        WeightsError: a damaged file, or weights that do not fit their config or one another.
    """

    generator = load_generator(folders["generator"])
    if WHOLE in folders:
        parts = load_vqvae(folders[WHOLE], WHOLE)
    else:
        parts = Parts.of(lambda part: load_vqvae(folders[part], part))
    codec = MotionCodec(parts, _load_vq(folders["global"], "global", GlobalMotionPredictor))
    _check_sizes(generator, codec)
    return generator, codec


def load_generator(folder: str | Path) -> Generator:
    """Load whichever generator a folder holds, strictly, in float32, on the CPU, in eval mode.

    folder: with config.json and weights as released or as `save_network` writes them; or with the paper's text network
    (`emage_240.bin` or `emage_text.bin`), whose config, where there is none, is told by its tensors' shapes.

    Raises:
        WeightsError: a damaged file, or weights that do not fit their config.
    """
    folder = Path(folder)
    state = load_state(folder)
    is_paper = is_paper_text(state)
    config = load_config(folder) if not is_paper or (folder / CONFIG_NAME).is_file() else {}
    if is_paper and "vocabulary" not in config:  # there is none of this network
        config = text_config(state)
    generator = _fill(
        lambda: Generator(GeneratorConfig.from_json(config)), translate(state) if is_paper else state, "generator"
    )
    return generator.eval()


def load_vqvae(folder: Path, name: str) -> VQVAE:
    """The VQ-VAE of one part, strictly, in float32, on the CPU. name: for errors.

    Raises:
        WeightsError: a damaged file, or weights that do not fit their config.
    """
    return _load_vq(folder, name, VQVAE)


def _load_vq(folder: Path, name: str, kind: type[Codec]) -> Codec:
    state = load_state(folder)
    config = vq_config(state) if folder.is_file() else load_config(folder)
    return _fill(lambda: kind(VQVAEConfig.from_json(config)), state, name)


def _fill(make: Callable[[], Made], state: dict[str, torch.Tensor], name: str) -> Made:
    with torch.device("meta"), _Uninitialised():  # nothing is allocated for what the file's tensors replace
        network = make()
    network.load_weights(state, name)
    return network


class _Uninitialised(TorchFunctionMode):
    """Leaves tensors as they are where they would be filled at random: on the meta device that does nothing, and the
    first time imports torch's compiler for seconds."""

    def __torch_function__(
        self, function: Callable, types: Any, arguments: tuple = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return named["tensor"]
        return function(*arguments, **named)


def _check_sizes(generator: Generator, codec: MotionCodec) -> None:
    if generator.config.whole_body != codec.is_whole:
        works_with = "one VQ-VAE of the whole body" if generator.config.whole_body else "four VQ-VAEs"
        raise WeightsError(
            f"The generator works with {works_with}, and there are others. Use what was trained together."
        )
    for part in (WHOLE,) if codec.is_whole else NETWORK_PARTS:
        ours = codec.networks[part].config
        codes = generator.config.codebook_size
        facts = (ours.channels, ours.width, ours.codebook_size if ours.quantized else codes)
        channels = WHOLE_CHANNELS if codec.is_whole else PART_CHANNELS[part]
        needed = (channels, generator.config.motion_width, codes)
        if facts != needed:
            raise WeightsError(
                f"{part}: this VQ-VAE has (channels, width, codes) {facts}, but the generator works with {needed}. "
                "Use networks that were trained together."
            )
        if not ours.quantized and generator.config.class_weight["upper" if codec.is_whole else part] > 0:
            raise WeightsError(
                f"{part}: this is a plain VAE without codes, but the generator gives it codes by class. Use networks "
                "that were trained together."
            )
    if codec.global_motion.config.channels != PART_CHANNELS["lower"]:
        raise WeightsError(f"global: it has {codec.global_motion.config.channels} channels; the lower body has 61.")


def save_network(network: Network, folder: Path) -> None:
    """Write config.json and model.safetensors as `load_networks` reads them. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    config = {"model_type": network.model_type, **network.config.to_json()}
    with new_file(folder / CONFIG_NAME) as temporary:
        temporary.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
    with new_file(folder / WEIGHTS_NAMES[0]) as temporary:
        try:
            safetensors.torch.save_file(state, temporary, metadata={"format": "pt"})
        except safetensors.SafetensorError as error:  # its word for a full disk
            raise OutputError(f"{folder / WEIGHTS_NAMES[0]} was not written: {error}.") from error


def load_config(folder: Path) -> dict[str, Any]:
    """Read the `config.json` in one network's folder.

    Raises:
        WeightsError: there is none, or it is no JSON object.
    """
    path = folder / CONFIG_NAME
    try:
        with path.open("rb") as stream:
            text = stream.read(_MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(text) > _MAX_CONFIG_BYTES:
        raise _damaged(path, f"a config has at most {_MAX_CONFIG_BYTES:,} bytes")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:  # JSONDecodeError, UnicodeDecodeError, nested without end
        raise _damaged(path, f"it is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise _damaged(path, f"it holds a {type(config).__name__} where an object {{...}} is expected")
    return config


def load_state(folder: Path) -> dict[str, torch.Tensor]:
    """Read the state dict in one network's folder, `model.safetensors`, else `pytorch_model.bin`, else the paper's; or
    in a file.

    The tensors lie on the CPU and are backed by the file where its format allows (safetensors, and what torch.save
    writes since torch 1.6), so they cost no memory until they are copied into a network. A dict inside `model_state`
    is unwrapped, and a leading `module.` that all keys share is dropped. A .bin file's checksums are compared;
    safetensors has none of its own, only its sizes are checked.

    Raises:
        WeightsError: no such file, a truncated or altered one, one that holds code or anything but named tensors.
    """
    try:
        names = (*WEIGHTS_NAMES, *PAPER_NAMES)
        path = (
            folder if folder.is_file() else next((folder / name for name in names if (folder / name).is_file()), None)
        )
        if path is None:
            raise WeightsError(
                f"{folder} has no {' or '.join(WEIGHTS_NAMES)}. Copy the weights there beside {CONFIG_NAME}."
            )
        with path.open("rb") as stream:
            head = stream.read(40)
    except OSError as error:
        raise unreadable(folder, error) from error
    if head.startswith(b"version https://git-lfs"):
        raise _damaged(path, "it is a Git LFS pointer, not the file itself (`git lfs pull` gets that)")
    if path.suffix == ".safetensors":
        try:
            state = safetensors.torch.load_file(path)
        except safetensors.SafetensorError as error:
            raise _damaged(path, f"it is no valid safetensors file ({error})") from error
    else:
        state = _load_pickled(path, is_zip=head.startswith(b"PK\x03\x04"))
    return _named_tensors(state, path)


def check_whole(path: Path) -> None:
    """Raise WeightsError where a file of safetensors or of torch.save is truncated or altered, as far as the file
    itself tells; nothing of it is loaded."""
    try:
        if path.suffix == ".safetensors":
            with safetensors.safe_open(path, "pt"):
                return
        _check_zip(path)
    except safetensors.SafetensorError as error:
        raise _damaged(path, f"it is no valid safetensors file ({error})") from error
    except OSError as error:
        raise unreadable(path, error) from error


def _load_pickled(path: Path, is_zip: bool) -> object:
    if is_zip:
        _check_zip(path)
    _check_names(path, is_zip)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except MemoryError:
        raise
    except Exception as error:  # bytes of unknown origin make the parser fail in more ways than can be listed
        if refused := re.search(r"nsupported (?:global: )?GLOBAL ([\w.]+\w)", str(error)):
            raise WeightsError(
                f"{path} is refused: it asks for {refused.group(1)}, and weights need no such thing. Nothing of it was "
                "run. Use only weights whose origin you trust, as safetensors where there is a choice."
            ) from error
        raise _damaged(path, f"torch cannot read it ({type(error).__name__})") from error


def _check_names(path: Path, is_zip: bool) -> None:
    """Raise WeightsError for a name of endless length, of which torch would speak for minutes. What else is wrong,
    torch says at the same place."""
    with ExitStack() as stack:
        try:
            if is_zip:
                archive = stack.enter_context(zipfile.ZipFile(path))
                pickles = [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
            else:
                pickles = [stack.enter_context(path.open("rb"))] * _PICKLES_BEFORE_STORAGES
            for each in pickles:
                for _, argument, _ in pickletools.genops(each):
                    if isinstance(argument, str) and len(argument) > _LONGEST_NAME:
                        raise _damaged(path, f"it holds a name of {len(argument):,} characters")
        except WeightsError:
            raise
        except OSError as error:
            raise unreadable(path, error) from error
        except Exception:  # bytes of unknown origin make the parser fail in more ways than can be listed
            return


def _check_zip(path: Path) -> None:
    """Compare the checksums of all records, which torch does not; what torch.save writes is never compressed."""
    bad = None
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
            is_plausible = sum(record.file_size for record in records) <= path.stat().st_size
            # torch can be told to write no checksums; then all of them are 0.
            if is_plausible and any(record.CRC for record in records):
                bad = archive.testzip()
    except (zipfile.BadZipFile, ValueError, *ZIP_DAMAGE) as error:
        raise _damaged(path, f"it is truncated or altered ({say_damage(error)})") from error
    if not is_plausible:
        raise _damaged(path, "its records claim to be larger than the file")
    if bad is not None:
        raise _damaged(path, f"the checksum of its record {bad} is wrong")


def _named_tensors(state: object, path: Path) -> dict[str, torch.Tensor]:
    if isinstance(state, dict) and isinstance(state.get("model_state"), dict):
        state = state["model_state"]
    if not isinstance(state, dict) or not state:
        raise _damaged(path, f"it holds no state dict but {type(state).__name__ if state else 'nothing'}")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise _damaged(path, f"{key!r} is {type(value).__name__}, not a named tensor")
        if value.layout is not torch.strided or value.is_meta or value.is_quantized:
            raise _damaged(path, f"{key!r} is a tensor that does not hold its numbers one by one")
    shared = "module." if all(key.startswith("module.") for key in state) else ""
    return {key.removeprefix(shared): value for key, value in state.items()}


def _damaged(path: Path, why: str) -> WeightsError:
    origin = path.resolve()
    return WeightsError(
        f"{path} ({origin.stat().st_size:,} bytes) cannot be used: {why}. Delete {origin} and get it again, by "
        "download or copy."
    )


def unreadable(what: str | Path, error: OSError | RuntimeError) -> WeightsError:
    """The sentence for what the system says when weights are looked for."""
    if isinstance(error, FileNotFoundError):
        return WeightsError(f"{what} is missing. Copy it there beside the weights.")
    return WeightsError(
        f"{what} cannot be looked into: {getattr(error, 'strerror', None) or error}. Correct the path, or get the "
        "right to read it and the folders above."
    )
