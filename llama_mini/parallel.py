"""Tensor parallelism: one model in several processes, each with its heads and its part of a matrix.

The matrices are cut as Meta cut them over its shards (`weights.meta.shard_axis`). Those cut by
their outputs (wq wk wv, w1 w3) compute some of them from the whole input; those cut by their inputs
(wo, w2) take exactly these and make one part of a sum. So attention and feed-forward each need one
sum over the processes, at their end, and nothing inside them knows of other processes: torch's
DTensor sums and gathers by a plan. Source: Shoeybi et al. 2019, Megatron-LM, arXiv 1909.08053.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import Partial, Placement, Replicate, Shard
from torch.distributed.tensor.parallel import (
    ParallelStyle,
    PrepareModuleInputOutput,
    PrepareModuleOutput,
    parallelize_module,
)

from llama_mini import attention, slots
from llama_mini import model as architecture
from llama_mini.config import ModelConfig
from llama_mini.empty import without_memory


@contextmanager
def processes(device: str | torch.device = "cpu") -> Iterator[DeviceMesh]:
    """The processes that torchrun started, as a mesh of one axis, connected until the block ends.

    On CUDA each process takes the GPU of its local rank and they talk through NCCL; on the CPU
    through gloo. Raises ValueError if torchrun did not start this process.
    """
    if "LOCAL_RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        raise ValueError(
            "A mesh needs several processes. Start them with torchrun: "
            "torchrun --nproc-per-node 2 -m llama_mini load DIR"
        )
    kind = torch.device(device).type
    if kind == "cuda":
        rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if rank >= gpus:
            raise ValueError(
                f"Each process needs a GPU of its own, and this machine has {gpus}. "
                f"Start {gpus or 'them with --device cpu'}."
            )
        torch.cuda.set_device(rank)
    mesh = init_device_mesh(kind, (int(os.environ["WORLD_SIZE"]),))
    try:
        yield mesh
    finally:
        distributed.destroy_process_group()


def demand_even(config: ModelConfig, n: int) -> None:
    """Raise ValueError unless n processes can have equally many query and key/value heads each."""
    for heads, kind in ((config.n_heads, "query"), (config.kv_heads, "key/value")):
        if heads % n:
            fitting = [str(d) for d in range(1, config.kv_heads + 1) if not config.kv_heads % d]
            raise ValueError(
                f"{heads} {kind} heads do not divide over {n} processes. "
                f"This model runs on {', '.join(fitting)}."
            )


def narrow(model: architecture.Transformer, mesh: DeviceMesh) -> None:
    """Give each layer of a model on the meta device an attention layer of this process's heads.

    The layer is built as that of a narrower model with heads of the same size, so any way to write
    `Attention` that reads its numbers from its config counts its own heads right. Afterwards
    `model.config.n_kv_heads` says how many a process has: a KVCache made from it holds those alone.
    Raises ValueError if the heads do not divide.
    """
    whole, n = model.config, mesh.size()
    demand_even(whole, n)
    narrower = replace(
        whole, dim=whole.dim // n, n_heads=whole.n_heads // n, n_kv_heads=whole.kv_heads // n
    )
    with without_memory():
        for layer in model.layers:
            layer.attention = attention.Attention(narrower)
    model.config = replace(whole, n_kv_heads=whole.kv_heads // n)


def connect(model: architecture.Transformer, mesh: DeviceMesh) -> None:
    """Let the processes compute one model together, once each holds its parts of the weights.

    Whatever an attention or feed-forward layer does inside, it does on plain tensors, and what it
    gives is summed over the processes. Runs two tokens to see that it goes. Raises ValueError if it
    does not, or if the processes come to different results.
    """
    plan = dict(PLAN)
    if model.config.tied_embeddings:
        plan["output"] = _tied_head()
    parallelize_module(model, mesh, plan)
    _demand_it_runs(model, mesh)


def _made_whole(parts: Placement) -> ParallelStyle:
    """Every process gets the whole of what all made in parts."""
    return PrepareModuleOutput(output_layouts=parts, desired_output_layouts=Replicate())


# How parts become whole again, for weights cut as `meta.shard_axis` says: wo and w2 sum over inputs
# of which a process has some; embeddings and head make some dimensions, or tokens, of the output.
PLAN: Mapping[str, ParallelStyle] = {
    "tok_embeddings": _made_whole(Shard(-1)),
    "layers.*.attention": _made_whole(Partial()),
    "layers.*.feed_forward": _made_whole(Partial()),
    "output": _made_whole(Shard(-1)),
}


def _tied_head() -> ParallelStyle:
    """For a head whose weight is that of the embeddings, (vocab, dim) cut along dim."""
    return PrepareModuleInputOutput(
        input_layouts=Replicate(),
        desired_input_layouts=Shard(-1),
        use_local_input=True,
        output_layouts=Partial(),
        desired_output_layouts=Replicate(),
    )


def _demand_it_runs(model: architecture.Transformer, mesh: DeviceMesh) -> None:
    tokens = torch.zeros(1, 2, dtype=torch.long, device=mesh.device_type)
    streams: list[Tensor] = []
    watch = model.norm.register_forward_hook(lambda _, __, output: streams.append(output))
    try:
        with torch.no_grad():
            model(tokens).sum().item()
    except (RuntimeError, ValueError) as error:
        raise ValueError(_refusal(mesh, str(error).strip().partition("\n")[0])) from error
    finally:
        watch.remove()
    copies = [torch.empty_like(stream) for stream in streams for _ in range(mesh.size())]
    for stream in streams:
        distributed.all_gather(copies, stream.contiguous(), group=mesh.get_group())
    if not copies or not all(
        torch.allclose(copies[0], other, rtol=0, atol=0, equal_nan=True) for other in copies
    ):
        raise ValueError(_refusal(mesh, "the processes computed different things."))


def _refusal(mesh: DeviceMesh, reason: str) -> str:
    return (
        f"This model, which has {slots.describe()}, does not run over {mesh.size()} processes: "
        f"{reason} It must call its parts, as in self.attention(…) and self.tok_embeddings(…), and "
        "not reach into them; and attention must take its heads from the config it is built with."
    )
