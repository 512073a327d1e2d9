"""torch.compile as decoding wants it: on a CPU with products of one row, on a GPU as one graph."""

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

from llama_mini.compiled import products
from llama_mini.compiled.replay import Recorder


class CompiledStep:
    """A step compiled for these very tensors: call it without arguments, it reads what they hold.

    The first call compiles, for a minute. What torch.compile would check at each call, whether
    anything has changed since, is left out: it costs as much as some layers. So whatever `step`
    uses must stay of its dtype, shape and device, and until `forget`, the same tensors. Each answer
    may be written over the last. Raises OSError on a CPU without a C++ compiler.
    """

    def __init__(self, step: Callable[..., Tensor], *arguments: Any) -> None:
        tensors = tree_leaves(arguments)
        device = tensors[0].device
        self._arguments, self._recorder = arguments, Recorder()
        self._answer: Tensor | None = None
        options: dict[str, Any] = {"guard_filter_fn": torch.compiler.skip_all_guards_unsafe}
        settings: dict[str, Any] = {"dynamic": False, "fullgraph": True, "options": options}
        if device.type == "cpu":
            _demand_compiler()
            settings["backend"] = functools.partial(_row_backend, self._recorder)
        elif device.type == "cuda":  # one launch a step, and products tuned for one row
            options |= {"triton.cudagraphs": True, "coordinate_descent_tuning": True}
            for tensor in tensors:  # a graph may write to those only that stay where they are
                torch._dynamo.mark_static_address(tensor)
        self._program = torch.compile(_own_copy(step), **settings)

    def __call__(self) -> Tensor:
        if self._answer is not None:
            self._recorder.repeat()
            return self._answer
        answer = self._program(*self._arguments)
        if self._recorder.actions:
            self._answer = answer  # whose memory each repetition writes to
        return answer

    def forget(self) -> None:
        """Look for the step's tensors anew at the next call: a weight may be another one by now."""
        self._answer = None


def _row_backend(
    recorder: Recorder, graph: fx.GraphModule, inputs: Sequence[Any], **_: Any
) -> Callable[..., Any]:
    from torch._functorch import config as functorch
    from torch._inductor.compile_fx import compile_fx, compile_fx_inner

    def inner(simple: fx.GraphModule, *arguments: Any, **options: Any) -> Any:
        _cancel_complex_views(simple)
        return recorder.watch(compile_fx_inner(simple, *arguments, **options))

    # The compiler has no complex numbers; torch can write them as pairs of real ones beforehand.
    with functorch.patch(enable_complex_wrapper=True):
        return compile_fx(
            graph,
            inputs,
            inner_compile=inner,
            decompositions=products.rules(),
            config_patches={
                "cpp.enable_floating_point_contract_flag": "fast",
                "size_asserts": False,  # like the guards: what they look at does not change
            },
        )


def _cancel_complex_views(graph: fx.GraphModule) -> None:
    """real → complex → real changes nothing, but would end the loop before it and begin another."""
    aten = torch.ops.aten
    for node in graph.graph.find_nodes(op="call_function", target=aten.view_as_real.default):
        source = node.args[0]
        if source.target is aten.view_as_complex.default:
            node.replace_all_uses_with(source.args[0])
            graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _own_copy(function: types.FunctionType) -> types.FunctionType:
    """The same function with a code object of its own: torch.compile keeps its results by those."""
    code = function.__code__.replace()
    return types.FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )


def _demand_compiler() -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise OSError(
            "Compiled decoding on a CPU needs a C++ compiler, and none was found. Install g++ or "
            "clang++ (or name one in the environment variable CXX), or decode without compiling."
        ) from None
