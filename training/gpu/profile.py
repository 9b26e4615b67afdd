"""Profile of a training on a GPU: memory format, fused optimiser, compiled networks, CUDA graphs; and its use."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning.callbacks import Callback

from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytorch_lightning import LightningModule, Trainer

CACHE = "TORCHINDUCTOR_CACHE_DIR"  # Triton's kernels lie below it too


class CompileError(UserError):
    """Network that cannot be compiled on this machine, though the settings ask for it."""

    def __init__(self, why: BaseException) -> None:
        first = (str(why).strip() or type(why).__name__).splitlines()[0]
        remedy = 'in settings.toml, set training.gpu.compile and training.gpu.cuda_graphs to "auto" or "off"'
        super().__init__(f"torch.compile cannot compile the network here: {first}", remedy)


@dataclass(frozen=True)
class GpuProfile:
    """One way to run the same training step.

    Attributes:
        channels_last: Convolutions get channels-last tensors, as the families make them; else contiguous ones.
        fused: The optimiser updates all weights in one kernel.
        compile: The networks are compiled.
        cuda_graphs: The compiled networks are replayed as CUDA graphs.
    """

    channels_last: bool = True
    fused: bool = True
    compile: bool = False
    cuda_graphs: bool = False

    def __str__(self) -> str:
        """As it stands in the stage's log."""
        run = "CUDA graphs" if self.cuda_graphs else "compiled" if self.compile else "eager"
        layout = "channels-last" if self.channels_last else "contiguous"
        return f"{run}, {layout}, {'fused' if self.fused else 'unfused'} optimiser"


class UseProfile(Callback):
    """Runs a training in a profile; weights, checkpoints and the exported network do not depend on it.

    It starts after a checkpoint is restored and after the averaging has copied the module: nothing of it is in either.
    """

    def __init__(self, profile: GpuProfile) -> None:
        self.profile = profile
        self._undo: list[Callable[[], None]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sets up the networks and the optimisers."""
        for network in networks_of(pl_module):
            if not self.profile.channels_last:
                self._undo += make_contiguous(network)
            if self.profile.compile or self.profile.cuda_graphs:
                self._undo.append(compile_training(network, cuda_graphs=self.profile.cuda_graphs))
        for optimiser in trainer.optimizers:
            set_fused(optimiser, fused=self.profile.fused)

    def on_train_batch_start(self, *_given: object) -> None:
        """Ends the life of the last step's tensors in the memory of the CUDA graphs."""
        if self.profile.cuda_graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]  # torch's own

    def on_train_end(self, *_given: object) -> None:
        """Leaves the networks as they were: they are exported next."""
        while self._undo:
            self._undo.pop()()


class LayOutState(Callback):
    """Gives the moments of a restored checkpoint the memory format of the weights; on any device.

    The checkpoint may be of a training in another format, or on another device. A fused update on CUDA refuses such
    moments, and one on a CPU takes each of them for another weight's. It follows the profile, which sets the format.
    """

    def on_train_start(self, trainer: Trainer, *_given: object) -> None:
        """Changes nothing in moments that have it."""
        for optimiser in trainer.optimizers:
            lay_out_state(optimiser)


def networks_of(module: LightningModule) -> list[torch.nn.Module]:
    """The networks that a module trains, without its metrics."""
    return [child for child in module.children() if any(weight.requires_grad for weight in child.parameters())]


def convolutions_of(network: torch.nn.Module) -> list[torch.nn.Module]:
    """Layers with a memory format."""
    kinds = torch.nn.Conv2d | torch.nn.ConvTranspose2d
    return [layer for layer in network.modules() if isinstance(layer, kinds)]


def make_contiguous(network: torch.nn.Module) -> list[Callable[[], None]]:
    """Has convolutions work on contiguous tensors, whatever format the family's code gives them.

    Returns:
        Calls that undo it.
    """
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # PyTorch's stubs lack it for modules

    def contiguous(_layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(tensor.contiguous() for tensor in inputs)

    return [layer.register_forward_pre_hook(contiguous).remove for layer in convolutions_of(network)]


def compile_training(network: torch.nn.Module, *, cuda_graphs: bool) -> Callable[[], None]:
    """Compiles a network for training; evaluation, with its other shapes, stays eager.

    `forward` is replaced in this object alone: names of weights do not change, as they would with a wrapper.

    Returns:
        Call that undoes it.
    """
    from torch._dynamo.exc import TorchDynamoException  # noqa: PLC0415  # takes a second, and only compiling needs it

    eager, fast = network.forward, compiled(network.forward, cuda_graphs=cuda_graphs)

    def forward(*given: Any, **named: Any) -> Any:  # noqa: ANN401  # as the network takes it
        if not network.training:
            return eager(*given, **named)
        try:
            return fast(*given, **named)
        except TorchDynamoException as error:
            raise CompileError(error) from error

    network.forward = forward

    def undo() -> None:
        del network.forward

    return undo


def compiled(forward: Callable[..., Any], *, cuda_graphs: bool) -> Callable[..., Any]:
    """Compiles a function with PyTorch's own random numbers, so that dropout drops the same features as without.

    CUDA graphs of torch.compile, not `make_graphed_callables`: a step calls a network several times before the
    backward pass (once a chunk, the discriminator on several batches), for which the latter has one set of buffers.
    """
    options: dict[str, Any] = {"fallback_random": True, "triton.cudagraphs": cuda_graphs}
    fast: Callable[..., Any] = torch.compile(forward, dynamic=False, options=options)
    return fast


def set_fused(optimiser: torch.optim.Optimizer, *, fused: bool) -> None:
    """Has an optimiser update all weights in one kernel, or not; one without such a kernel stays as it is."""
    if "fused" not in optimiser.defaults:
        return
    for group in optimiser.param_groups:
        # Without, None lets PyTorch choose the kernels that update several weights at once.
        group["fused"], group["foreach"] = fused or None, None
        for weight in group["params"]:
            state = optimiser.state.get(weight, {})
            if isinstance(state.get("step"), torch.Tensor):  # Adam counts on the device, if fused, else on the CPU
                state["step"] = state["step"].to(weight.device if fused else "cpu")


def lay_out_state(optimiser: torch.optim.Optimizer) -> None:
    """Gives an optimiser's moments the memory format of their weights; the values stay."""
    for weight, state in optimiser.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == weight.shape and value.stride() != weight.stride():
                state[name] = torch.empty_like(weight).copy_(value)


def uses_gpu(accelerator: str) -> bool:
    """True if a training with that accelerator runs on CUDA."""
    return accelerator != "cpu" and torch.cuda.is_available()


@contextmanager
def exact_products(precision: str) -> Iterator[None]:
    """Multiplies float32 matrices on a GPU as the param has it: exactly, or with `tf32` rounded to ten bits.

    PyTorch's default is TF32 in convolutions and recurrent layers, whatever the precision is called.
    """
    matrices, layers = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matrices.allow_tf32, layers.allow_tf32
    matrices.allow_tf32 = layers.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        matrices.allow_tf32, layers.allow_tf32 = before


def keep_compiled(folder: Path) -> None:
    """Has compiled kernels kept in a folder, so that the next run reuses them; a variable that is set goes before."""
    os.environ.setdefault(CACHE, str(folder.resolve()))
