"""torch.compile as decoding wants it: on a CPU with products of one row, on a GPU as one graph."""

import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

from llama_mini.compiled import products


def compile_step(step: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """A compiled `step`, whose arguments keep their shapes; the first call compiles, for a minute.

    What torch.compile would check at each call, whether anything has changed since, is left out: it
    costs as much as some layers. So whatever `step` uses must stay of its dtype, shape and device.
    Raises OSError on a CPU without a C++ compiler.
    """
    options: dict[str, Any] = {"guard_filter_fn": torch.compiler.skip_all_guards_unsafe}
    step = _own_copy(step)
    if device.type == "cpu":
        _demand_compiler()
        return torch.compile(
            step, backend=_row_backend, dynamic=False, fullgraph=True, options=options
        )
    if device.type == "cuda":  # one launch a step, and products tuned for one row
        options |= {"triton.cudagraphs": True, "coordinate_descent_tuning": True}
    return torch.compile(step, dynamic=False, fullgraph=True, options=options)


def _row_backend(graph: fx.GraphModule, inputs: Sequence[Any], **_: Any) -> Callable[..., Any]:
    from torch._functorch import config as functorch
    from torch._inductor.compile_fx import compile_fx, compile_fx_inner

    def inner(simple: fx.GraphModule, *arguments: Any, **options: Any) -> Any:
        _cancel_complex_views(simple)
        return compile_fx_inner(simple, *arguments, **options)

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
