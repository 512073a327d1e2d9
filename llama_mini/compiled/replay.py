"""A compiled program's loops, run again on the tensors of an earlier call.

Around its loops a program of torch's compiler makes a tensor for every result in between and looks
up each weight by its name: some 0.3 ms of Python a token, a quarter of a small model's time. Where
every call has the same tensors, nothing of it changes: one call is recorded, later ones repeat the
loops alone. It is to a CPU what a CUDA graph is to a GPU.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

Loops = Callable[..., None]


class Recorder:
    """Records the loops that a program runs, with the tensors they run on.

    `watch` goes around what the compiler made of a graph; `loops` is what its latest call ran, or
    None where it did something beside loops of its own, which cannot be repeated in this way.
    """

    def __init__(self) -> None:
        self.loops: list[tuple[Loops, tuple[Any, ...]]] | None = None

    def watch(self, program: Any) -> Callable[[list[Any]], Any]:
        """The program of `compile_fx_inner`, recorded at each call."""

        def watched(inputs: list[Any]) -> Any:
            calls: list[tuple[Loops, tuple[Any, ...]]] = []
            others = _Others()
            with _loops_kept(program, calls), others:
                outputs = program(inputs)
            self.loops = calls if calls and not others.seen else None
            return outputs

        watched._boxed_call = True  # it takes one list, and may empty it
        return watched

    def repeat(self) -> None:
        """Run the loops once more. Their results go where they went before."""
        for loop, tensors in self.loops or []:
            loop(*tensors)


class _Others(TorchDispatchMode):
    """Sees torch's own operations, which a program calls where it has no loop."""

    seen = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen = True
        return func(*args, **(kwargs or {}))


@contextmanager
def _loops_kept(program: Any, calls: list[tuple[Loops, tuple[Any, ...]]]) -> Iterator[None]:
    """While open, each call of a loop is written down. Loops are globals of the module that the
    compiler wrote, with names of its own."""
    entry = getattr(program, "current_callable", None)
    names = getattr(getattr(entry, "__func__", entry), "__globals__", {})
    loops = {name: value for name, value in names.items() if name.startswith("cpp_fused")}

    def kept(loop: Loops) -> Loops:
        def run(*tensors: Any) -> None:
            calls.append((loop, tensors))
            loop(*tensors)

        return run

    names.update({name: kept(loop) for name, loop in loops.items()})
    try:
        yield
    finally:
        names.update(loops)
