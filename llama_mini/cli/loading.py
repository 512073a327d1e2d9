"""`llama-mini load`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llama_mini.cli.common import explained, loading_every_format, torchrun_mesh, use_overlay

if TYPE_CHECKING:
    from llama_mini import Transformer
    from llama_mini.weights.loading import Loaded
    from llama_mini.weights.memory import PeakMemory


def load(
    path: Annotated[
        Path, typer.Argument(help="A folder, a .gguf file, or a name such as smollm2.")
    ],
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    precision: Annotated[
        str | None,
        typer.Option(help="fp32, bf16, fp16, int8 or int4 (default: as stored)."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every file with its checksum first.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Load even if memory looks too small for it.")
    ] = False,
    prompt: Annotated[str | None, typer.Option(help="A text to continue.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="At most so many.")] = 64,
    temperature: Annotated[float, typer.Option(min=0, help="0 always takes the likeliest.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the draws, above temperature 0.")] = 0,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile for a minute, then decode faster.")
    ] = False,
    overlay: Annotated[bool, typer.Option(help="Run on your passed components.")] = True,
) -> None:
    """Load weights in any known format, say what they are, and continue a text.

    PATH is a folder as Meta released them (params.json, checklist.chk and
    consolidated.00.pth …: 7B has one shard, 13B two, 30B four, 65B eight), a
    Hugging Face folder, a GGUF file, or a run of llama-mini train. Shards are
    merged tensor by tensor on their way to the device: one GPU takes any
    number of them, and the host never holds the model.

    llama-mini load 13B --device cuda --precision bf16 --prompt "The river"

    Over two GPUs, each with half of every matrix:
    torchrun --nproc-per-node 2 -m llama_mini load 13B --device cuda

    Shards that were swapped have equal shapes; only --verify finds them.
    Before a download of gigabytes, llama-mini plan says whether it will fit.
    """
    with explained(), torchrun_mesh(device) as mesh:
        use_overlay(overlay)
        from llama_mini.text.sample import stream_text
        from llama_mini.weights.memory import PeakMemory

        loading = loading_every_format()
        if compiled and mesh is not None:
            raise ValueError("--compile decodes in one process; leave it out under torchrun.")
        try:
            with PeakMemory(loading.find_device(device)) as memory:
                loaded = loading.read(
                    path,
                    device,
                    precision,
                    mesh=mesh,
                    verify=verify,
                    force=force,
                    has_prompt=prompt is not None,
                )
        except KeyboardInterrupt:
            typer.echo("\nStopped; nothing was changed.", err=True)
            raise typer.Exit(130) from None
        typer.echo(_describe(path, loaded, memory, device, 1 if mesh is None else mesh.size()))
        if prompt is None:
            return
        typer.echo()
        pieces = stream_text(
            loaded.model,
            loaded.tokenizer,
            prompt,
            max_new_tokens,
            temperature,
            seed=seed,
            compiled=compiled,
        )
        for piece in pieces:
            typer.echo(piece, nl=False)
            sys.stdout.flush()
        typer.echo()


def _describe(
    path: Path, loaded: "Loaded", memory: "PeakMemory", device: str, processes: int
) -> str:
    """What was loaded, in a few lines."""
    from llama_mini import model as architecture
    from llama_mini.machine.amounts import in_words

    config = loaded.config
    heads = f"{config.n_heads} heads"
    if config.kv_heads != config.n_heads:
        heads += f" ({config.kv_heads} for keys and values)"
    rate = in_words(loaded.bytes_read / max(loaded.seconds, 1e-9))
    where = f"{device}, in {processes} processes" if processes > 1 else device
    lines = [
        f"{path}: {loaded.what}",
        f"{architecture.parameter_count(config):,} parameters, {_dtypes(loaded.model)}: "
        f"dim {config.dim}, {config.n_layers} layers, {heads}, {config.vocab_size:,} tokens, "
        f"context {config.max_seq_len}, norm_eps {config.norm_eps:g}",
        f"{in_words(loaded.bytes_read)} read in {loaded.seconds:.1f} s ({rate}/s) to {where}",
    ]
    if memory.host_bytes is not None:
        peaks = f"{in_words(memory.host_bytes)} of the host's own"
        if memory.device_bytes is not None:
            peaks += f", {in_words(memory.device_bytes)} on the device"
        lines.append(f"Peak memory: {peaks}")
    return "\n".join([*lines, *(f"{note[:1].upper()}{note[1:]}." for note in loaded.notes)])


def _dtypes(model: "Transformer") -> str:
    """What the numbers are kept as: `float16`, or `int4 and bfloat16`."""
    kinds = {f"int{m.bits}" for m in model.modules() if hasattr(m, "bits")}
    kinds |= {str(p.dtype).removeprefix("torch.") for p in model.parameters()}
    return " and ".join(sorted(kinds, reverse=True))
