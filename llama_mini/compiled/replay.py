"""A compiled program's loops, run again on the tensors of an earlier call.

Around its loops a program of torch's compiler makes a tensor for every result in between and looks
up each weight by its name: some 0.3 ms of Python a token, a quarter of a small model's time. Where
every call has the same tensors, nothing of it changes: one call is recorded, later ones repeat what
it computed. It is to a CPU what a CUDA graph is to a GPU.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Action = tuple[Callable[..., Any], tuple[Any, ...]]


class Recorder:
    """Records what a program computes, and on which tensors: loops, and kernels of torch's own.

    `watch` goes around what the compiler made of a graph; `actions` is what its latest call did, in
    order, or empty where something of it can't be repeated.
    """

    def __init__(self) -> None:
        self.actions: list[Action] = []

    def watch(self, program: Any) -> Callable[[list[Any]], Any]:
        """The program of `compile_fx_inner`, recorded at each call."""

        def watched(inputs: list[Any]) -> Any:
            kernels = _Kernels()
            with _loops_into(kernels.actions, program), kernels:
                outputs = program(inputs)
            self.actions = kernels.actions if kernels.can_repeat else []
            return outputs

        watched._boxed_call = True  # it takes one list, and may empty it
        return watched

    def repeat(self) -> None:
        """Do it once more. The results go where they went before."""
        for function, arguments in self.actions:
            function(*arguments)


class _Kernels(TorchDispatchMode):
    """Writes down torch's own operations, which a program calls where it has no loop."""

    def __init__(self) -> None:
        super().__init__()
        self.actions: list[Action] = []
        self.can_repeat = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func._schema.is_mutable:  # it writes into its arguments, and will do so again
            self.actions.append((_call, (func, args, kwargs)))
        elif any(part.alias_info is not None for part in func._schema.returns):
            pass  # a view: whatever is written to its base, it shows
        elif isinstance(result, Tensor):
            self.actions.append((_call_into, (result, func, args, kwargs)))
        else:
            self.can_repeat = False
        return result


def _call(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    func(*args, **kwargs)


def _call_into(result: Tensor, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    result.copy_(func(*args, **kwargs))


@contextmanager
def _loops_into(actions: list[Action], program: Any) -> Iterator[None]:
    """While open, each call of a loop is written down. Loops are globals of the module that the
    compiler wrote, with names of its own."""
    entry = getattr(program, "current_callable", None)
    names = getattr(getattr(entry, "__func__", entry), "__globals__", {})
    loops = {name: value for name, value in names.items() if name.startswith("cpp_fused")}

    def recorded(loop: Callable[..., None]) -> Callable[..., None]:
        def run(*tensors: Any) -> None:
            actions.append((loop, tensors))
            loop(*tensors)

        return run

    names.update({name: recorded(loop) for name, loop in loops.items()})
    try:
        yield
    finally:
        names.update(loops)
