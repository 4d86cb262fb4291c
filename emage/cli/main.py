"""From the words of a command line to its command."""

import signal
import sys
from dataclasses import replace
from pathlib import Path

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructTypeInfo

import emage.cli
from emage.cli.batch import Batch
from emage.cli.doctor import Doctor
from emage.cli.export import Export
from emage.cli.generate import Generate
from emage.cli.measure import Measure
from emage.cli.render import Render
from emage.errors import EmageError
from emage.export.settings import ExportSettings
from emage.generation.settings import TakeSettings
from emage.render.settings import RenderSettings

Command = Generate | Batch | Render | Export | Measure | Doctor


def main() -> None:
    """Run a command; a user fault ends with its sentence and exit code 2."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        command = read_command()
        from emage.processors import share_processors  # with torch, which a faulty command need not wait for

        share_processors()
        command.run()
    except EmageError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def read_command(arguments: list[str] | None = None) -> Command:
    """The command that the words of a command line say, by default of this process's.

    Raises:
        EmageError: settings out of range. SystemExit: words that are no command.
    """
    try:
        return tyro.cli(Command, prog=_name(), description=emage.cli.__doc__, args=arguments, registry=_registry())
    except _RefusedError as refused:
        raise refused.fault from None


def _name() -> str:
    """As it was called: as the command that `pip install -e .` gives, or as a module."""
    return "python -m emage" if Path(sys.argv[0]).name in ("__main__.py", "-m") else "emage"


class _RefusedError(Exception):
    """Carries a fault of settings past tyro, which shows any ValueError in words of its own."""

    def __init__(self, fault: EmageError):
        super().__init__(fault)
        self.fault = fault


def _registry() -> ConstructorRegistry:
    """How tyro makes settings: as any dataclass, but for their faults."""
    registry = ConstructorRegistry()
    own: set[type] = {TakeSettings, RenderSettings, ExportSettings}

    @registry.struct_rule
    def make_settings(info: StructTypeInfo) -> StructConstructorSpec | None:
        if info.type not in own:
            return None
        own.remove(info.type)  # so that tyro's own rule for dataclasses answers
        spec = ConstructorRegistry.get_struct_spec(info)
        own.add(info.type)

        def instantiate(**values: object) -> object:
            try:
                return spec.instantiate(**values)
            except EmageError as fault:
                raise _RefusedError(fault) from fault

        return replace(spec, instantiate=instantiate)

    return registry


def _stop(*_) -> None:
    """End as on any other error, so that nothing half-made is left behind."""
    raise SystemExit(143)
