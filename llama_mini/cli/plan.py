"""`llama-mini plan`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llama_mini.cli.common import explained, loading_every_format, use_overlay

if TYPE_CHECKING:
    from llama_mini.plan.plans import Plan


def plan(
    model: Annotated[
        str | None,
        typer.Argument(help="7B, 13B, 30B or 65B, or a path to weights. Without: all four."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help='H100, H200, A100, "RTX 4090", V100 …; a size such as 24GB; cpu or cuda for this '
            "machine's own (default: cuda if there is one)."
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="fp32, bf16, fp16, int8 or int4 (default: as stored, else bf16)."),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(min=1, help="Positions of a sequence, prompt and new tokens together."),
    ] = None,
    prompt: Annotated[
        int | None,
        typer.Option(min=1, help="Of these, what is read in one go (default: all)."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Sequences at a time.")] = 1,
    devices: Annotated[
        int, typer.Option(min=1, help="How many such devices hold the model together.")
    ] = 1,
    training: Annotated[
        bool, typer.Option("--training", help="Train all parameters with AdamW instead.")
    ] = False,
    disk: Annotated[
        float | None, typer.Option(min=0.001, help="GB/s that your disk reads (2 is assumed).")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure this machine's memory bandwidth, too.")
    ] = False,
    overlay: Annotated[bool, typer.Option(help="Run on your passed components.")] = True,
) -> None:
    """Say what a model will take before you load it, and whether it fits.

    Weights take parameters times bits, the KV cache more with every position.

    Activations come and go. A long prompt takes the most; see --prompt.

    Decoding reads weights and cache for every token: bandwidth bounds it.

    Training adds gradients and AdamW's moments: 16 bytes a parameter.

    \b
    What fits where:       llama-mini plan
    One model, one device: llama-mini plan 65B --device H100 --precision int4
    Your weights, split:   llama-mini plan ./13B --device 24GB --devices 2
    Training all of it:    llama-mini plan 7B --device H200 --training
    """
    with explained():
        use_overlay(overlay)
        import torch

        from llama_mini.machine import devices as known
        from llama_mini.plan.report import describe, overview

        here = "cuda" if torch.cuda.is_available() else "cpu"
        if model is None:
            positions = context or 2048
            there = {**known.DEVICES, "here": known.this_machine(here)}
            typer.echo(overview(there, positions, batch))
            typer.echo(
                f"\nDecoding {batch} × {positions:,} positions. × 2: so many hold it together."
            )
            typer.echo("Next: llama-mini plan 65B --device H100 --precision int4")
            return
        target = known.find(device or here)
        if measure:
            target = known.this_machine(device or here, measure=True)
        planned = _plan(model, precision, context, prompt, batch, devices, training)
        typer.echo(describe(model, planned, target, None if disk is None else disk * 1e9))


def _plan(
    model: str,
    precision: str | None,
    context: int | None,
    prompt: int | None,
    batch: int,
    n_devices: int,
    training: bool,
) -> "Plan":
    """The plan of a named size, or of the weights at a path, of which the headers are read."""
    from llama_mini.config import CONFIGS
    from llama_mini.plan.plans import plan_decoding, plan_training
    from llama_mini.precisions import name_of
    from llama_mini.weights import pretrained

    if model in CONFIGS:
        config, on_disk, stored = CONFIGS[model], None, "bf16"
    elif Path(model).expanduser().exists() or model in pretrained.names():
        checkpoint = loading_every_format().open_checkpoint(model)
        config = checkpoint.config
        on_disk = sum(entry.bytes_on_disk for entry in checkpoint.entries.values())
        stored = name_of(checkpoint.entries["tok_embeddings.weight"].dtype)
    else:
        known = ", ".join([*CONFIGS, *pretrained.names()])
        raise ValueError(f"{model} is neither a known model ({known}) nor a path to weights.")
    precision = precision or ("bf16" if training else stored)
    if training:
        if n_devices > 1 or prompt is not None:
            raise ValueError("--training is planned for one device, and has no --prompt.")
        planned = plan_training(config, precision, context, batch)
    else:
        planned = plan_decoding(
            config, precision, context, batch, prompt=prompt, n_devices=n_devices
        )
    return planned if on_disk is None else planned.with_disk(on_disk)
