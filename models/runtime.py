"""The one door to onnxruntime: every network of the project is opened and run here.

Create sessions before starting threads: onnxruntime holds Python's lock while it loads a network, and
lets go of it while it runs one. Spinning is off and one thread is the default, because a board beside a
gate has few cores, little cooling, and other work to do while a network waits for its next picture.
"""

import functools
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import InferenceFailed, ModelMismatch, ModelNotFound

log = logging.getLogger(__name__)

_WARNINGS_OFF = (
    3  # onnxruntime's severity "error"; its warnings speak about graph details nobody on site can act on
)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output of a network.

    Attributes:
        name: As the file names it.
        shape: Sizes; None where any size will do.
        type: As onnxruntime writes it, for example ``tensor(float)``.
    """

    name: str
    shape: tuple[int | None, ...]
    type: str


class Session:
    """A loaded network. ``run`` may be called from any thread; the session itself holds no state.

    Attributes:
        name: What errors call it: the file's name.
        inputs, outputs: What it takes and gives, in the file's order.
    """

    __slots__ = ("_engine", "_names", "inputs", "name", "outputs")

    def __init__(self, name: str, engine: Any) -> None:
        self.name = name
        self._engine = engine
        self.inputs = tuple(_tensor(node) for node in engine.get_inputs())
        self.outputs = tuple(_tensor(node) for node in engine.get_outputs())
        self._names = [output.name for output in self.outputs]

    def run(self, feeds: NDArray[Any] | Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        """Run the network once.

        Args:
            feeds: The only input, or arrays by input name.

        Returns:
            One array per output, in the order of ``outputs``.

        Raises:
            InferenceFailed: The input does not fit the network, or the network failed.
        """
        if isinstance(feeds, np.ndarray):
            if len(self.inputs) != 1:
                wanted = ", ".join(tensor.name for tensor in self.inputs)
                raise InferenceFailed(
                    self.name, f"takes {len(self.inputs)} inputs ({wanted}), one array was given"
                )
            feeds = {self.inputs[0].name: feeds}
        with _mapped(self.name, InferenceFailed, "could not be run"):
            return tuple(self._engine.run(self._names, dict(feeds)))


def open_session(
    model: Path | str | bytes, threads: int = 1, *, name: str = "", arena: bool = True
) -> Session:
    """Load a network from a file or from bytes.

    Args:
        model: Path of an ONNX file, or its content.
        threads: Threads that share the work inside one operation.
        name: What errors call it; the file's name when empty.
        arena: Keep freed memory for the next run. Off saves memory in a process that runs the network rarely.

    Returns:
        The session.

    Raises:
        ModelNotFound: There is no such file, or onnxruntime is not installed.
        ModelMismatch: The content is no network that this onnxruntime can load.

    Thread: any, but before other threads start.
    """
    if not isinstance(model, bytes):
        model = Path(model)
        name = name or model.name
        if not model.is_file():
            raise ModelNotFound(name, f"no such file: {model}")
        model = str(model)
    name = name or "network"
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelNotFound(name, "onnxruntime is not installed: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = arena
    # A plan for each size of batch would keep its own memory, and saves no time that can be measured.
    options.enable_mem_pattern = False
    options.log_severity_level = _WARNINGS_OFF
    with _mapped(name, ModelMismatch, "is no network that onnxruntime can load"):
        engine = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    session = Session(name, engine)
    log.debug("loaded %s: %s -> %s", name, session.inputs, session.outputs)
    return session


def _tensor(node: Any) -> Tensor:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)
    return Tensor(node.name, shape, node.type)


@contextmanager
def _mapped(name: str, kind: type[ModelMismatch] | type[InferenceFailed], what: str) -> Iterator[None]:
    """Turn onnxruntime's own exceptions, which share no root, into ours with one line of their text."""
    try:
        yield
    except _foreign() as error:
        text = " ".join(str(error).split())
        raise kind(name, f"{what}: {text[:300]}") from error


@functools.cache
def _foreign() -> tuple[type[Exception], ...]:
    """All exceptions of onnxruntime."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (
        thing for thing in vars(state).values() if isinstance(thing, type) and issubclass(thing, Exception)
    )
    return (*own, RuntimeError, ValueError, TypeError)
