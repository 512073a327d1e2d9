"""One engine of benchmarks/decode.py, alive in a process of its own: a line in, a time out.

Started with a JSON object (engine, size, precision, threads, prompt, new_tokens, folder). Answers
{"ready": …} once it is warm, then for each line on its input {"seconds": …} of one generation.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = {
    "tiny": {"dim": 64, "n_layers": 2, "n_heads": 2, "hidden_dim": 192, "vocab_size": 512},
    "15M": {"dim": 288, "n_layers": 6, "n_heads": 6, "hidden_dim": 768},
    "110M": {"dim": 768, "n_layers": 12, "n_heads": 12, "hidden_dim": 2048},
}
# Compiled PyTorch that others would write; the goal is set against the fastest of them.
COMPILED_PEERS = ("compiled-pytorch", "transformers-static", "litgpt-compiled")
ENGINES = {
    "ours": ("fp32", "bf16", "int8", "int4"),
    "ours-uncompiled": ("fp32", "bf16", "int8", "int4"),
    "ours-linear": ("fp32", "bf16", "int8"),
    "compiled-pytorch": ("fp32", "bf16", "int8"),
    "transformers": ("fp32", "bf16"),
    "transformers-static": ("fp32", "bf16"),
    "litgpt": ("fp32", "bf16"),
    "litgpt-compiled": ("fp32", "bf16"),
    "llama.cpp": ("fp32", "bf16", "int8", "int4"),
}


def model_config(size: str, positions: int) -> Any:
    """The config of a size, tied, with room for so many positions."""
    from llama_mini import ModelConfig

    return ModelConfig(**SIZES[size], tied_embeddings=True, max_seq_len=positions)


def our_model(job: dict) -> Any:
    """A Transformer with random weights in a precision; quantised, its output head is too."""
    import torch

    from llama_mini import Transformer
    from llama_mini.weights.quantized.linear import QuantizedLinear

    torch.manual_seed(0)
    model = Transformer(model_config(job["size"], job["prompt"] + job["new_tokens"]))
    model = model.eval().requires_grad_(False)
    precision = job["precision"]
    if precision == "fp32":
        return model
    model = model.to(torch.bfloat16)
    if precision != "bf16":
        names = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)]
        for name in names:
            quantised = QuantizedLinear.from_weight(
                model.get_submodule(name).weight, precision, 32, torch.bfloat16
            )
            owner, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(owner), leaf, quantised)
    return model


def prompt_of(job: dict) -> Any:
    """The same random prompt for everyone, (1, prompt)."""
    import torch

    vocab = model_config(job["size"], 1).vocab_size
    return torch.randint(vocab, (1, job["prompt"]), generator=torch.Generator().manual_seed(1))


def ours(job: dict) -> Callable[[], Any]:
    """Our compiled decoder; as "ours-linear", the same program with torch's own products."""
    from llama_mini.compiled import CompiledDecoder, products

    if job["engine"] == "ours-linear":
        from torch._inductor.decomposition import select_decomp_table

        products.rules = select_decomp_table
    decoder = CompiledDecoder(our_model(job))
    prompt = prompt_of(job)
    return lambda: decoder.generate(prompt, job["new_tokens"])


def compiled_pytorch(job: dict) -> Callable[[], Any]:
    """A static cache under plain torch.compile, as gpt-fast does it: rotations in real numbers,
    F.linear for products, and torch's own kernel for int8."""
    import torch

    from llama_mini import rope
    from llama_mini.compiled import CompiledDecoder, backend

    def rotate(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
        cos, sin = torch.view_as_real(table)[:, None, :].unbind(-1)
        turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
        return turned.flatten(-2).type_as(x)

    class Plain:
        def __init__(self, step: Callable[..., Any], *state: Any) -> None:
            self.program, self.state = torch.compile(step, dynamic=False, fullgraph=True), state

        def __call__(self) -> torch.Tensor:
            return self.program(*self.state)

        def forget(self) -> None:
            pass

    rope.apply_rotary_emb = rotate
    backend.CompiledStep = Plain
    decoder = CompiledDecoder(our_model(job))
    prompt = prompt_of(job)
    return lambda: decoder.generate(prompt, job["new_tokens"])


def ours_uncompiled(job: dict) -> Callable[[], Any]:
    """`llama_mini.generate`."""
    from llama_mini import generate

    model, prompt = our_model(job), prompt_of(job)
    return lambda: generate(model, prompt, job["new_tokens"])


def transformers_(job: dict) -> Callable[[], Any]:
    """transformers' generate: with its growing cache, or a static one and a compiled forward."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = model_config(job["size"], job["prompt"] + job["new_tokens"])
    torch.manual_seed(0)
    theirs = LlamaConfig(
        hidden_size=config.dim,
        intermediate_size=config.hidden_dim,
        num_hidden_layers=config.n_layers,
        num_attention_heads=config.n_heads,
        vocab_size=config.vocab_size,
        max_position_embeddings=config.max_seq_len,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(theirs).eval().to(_dtype(job))
    prompt = prompt_of(job)
    options: dict[str, Any] = {}
    if job["engine"] == "transformers-static":
        model.forward = torch.compile(model.forward, fullgraph=True)
        options["cache_implementation"] = "static"

    def run() -> Any:
        with torch.no_grad():
            return model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=job["new_tokens"],
                min_new_tokens=job["new_tokens"],
                do_sample=False,
                pad_token_id=0,
                **options,
            )

    return run


def litgpt(job: dict) -> Callable[[], Any]:
    """litgpt's own generate, with its next_token compiled or not."""
    import litgpt.generate.base as base
    import torch
    from litgpt import GPT, Config

    config = model_config(job["size"], job["prompt"] + job["new_tokens"])
    theirs = Config(
        name="bench",
        block_size=config.max_seq_len,
        vocab_size=config.vocab_size,
        padded_vocab_size=config.vocab_size,
        n_layer=config.n_layers,
        n_head=config.n_heads,
        n_embd=config.dim,
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        mlp_class_name="LLaMAMLP",
        intermediate_size=config.hidden_dim,
    )
    torch.manual_seed(0)
    model = GPT(theirs).eval().to(_dtype(job))
    model.lm_head.weight = model.transformer.wte.weight
    model.set_kv_cache(batch_size=1, dtype=_dtype(job))
    if job["engine"] == "litgpt-compiled":
        base.next_token = torch.compile(base.next_token)
    prompt = prompt_of(job)[0]

    def run() -> Any:
        with torch.no_grad():
            return base.generate(
                model, prompt, max_returned_tokens=config.max_seq_len, temperature=0.0, top_p=0.0
            )

    return run


def llama_cpp(job: dict) -> Callable[[], Any]:
    """llama.cpp, on a GGUF file of our weights."""
    import ctypes

    import llama_cpp as api
    import numpy as np

    file = Path(job["folder"]) / f"{job['size']}-{job['precision']}.gguf"
    if not file.is_file():
        write_gguf(job, file)
    default_params = api.llama_cpp.llama_model_default_params

    def params() -> Any:
        # With quantised weights repacked, llama.cpp 0.3.36 ended in a segmentation fault on the
        # machine of our results. Without repacking it may be slower than it can be.
        chosen = default_params()
        chosen.use_extra_bufts = job["precision"] in ("fp32", "bf16")
        return chosen

    api.llama_cpp.llama_model_default_params = params
    llm = api.Llama(
        str(file),
        n_ctx=job["prompt"] + job["new_tokens"],
        n_threads=job["threads"],
        n_threads_batch=job["threads"],
        verbose=False,
    )
    prompt = prompt_of(job)[0].tolist()
    vocab = model_config(job["size"], 1).vocab_size

    def decode(tokens: list[int]) -> int:
        array = (api.llama_token * len(tokens))(*tokens)
        if api.llama_decode(llm.ctx, api.llama_batch_get_one(array, len(tokens))):
            raise RuntimeError("llama_decode failed.")
        logits = api.llama_get_logits_ith(llm.ctx, -1)
        address = ctypes.cast(logits, ctypes.POINTER(ctypes.c_float))
        return int(np.ctypeslib.as_array(address, (vocab,)).argmax())

    def run() -> None:
        api.llama_memory_clear(api.llama_get_memory(llm.ctx), True)
        token = decode(prompt)
        for _ in range(job["new_tokens"] - 1):
            token = decode([token])

    return run


def write_gguf(job: dict, file: Path) -> None:
    """Our random weights as GGUF: F32, BF16, Q8_0 or Q4_0, without a vocabulary."""
    import gguf
    import numpy as np

    kinds = {"fp32": "F32", "bf16": "BF16", "int8": "Q8_0", "int4": "Q4_0"}
    kind = gguf.GGMLQuantizationType[kinds[job["precision"]]]
    model = our_model({**job, "precision": "fp32"})
    config = model.config
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(config.max_seq_len)
    writer.add_embedding_length(config.dim)
    writer.add_block_count(config.n_layers)
    writer.add_feed_forward_length(config.hidden_dim)
    writer.add_head_count(config.n_heads)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("no_vocab")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.n_layers)  # knows Meta's names
    for name, tensor in model.named_parameters():
        values = tensor.numpy().astype(np.float32)
        stored = kind if values.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(
            names.get_name(name, try_suffixes=(".weight",)),
            gguf.quantize(values, stored),
            raw_dtype=stored,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _dtype(job: dict) -> Any:
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16}[job["precision"]]


BUILDERS = {
    "ours": ours,
    "ours-linear": ours,
    "compiled-pytorch": compiled_pytorch,
    "ours-uncompiled": ours_uncompiled,
    "transformers": transformers_,
    "transformers-static": transformers_,
    "litgpt": litgpt,
    "litgpt-compiled": litgpt,
    "llama.cpp": llama_cpp,
}


def main() -> None:
    """Build the engine, warm it, and answer lines."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    job = json.loads(sys.argv[1])

    def answer(**what: Any) -> None:
        print(json.dumps(what), file=answers, flush=True)

    try:
        import torch

        torch.set_num_threads(job["threads"])
        run = BUILDERS[job["engine"]](job)
        start = time.perf_counter()
        run()
        first = time.perf_counter() - start
        run()
    except Exception as error:
        answer(failed=f"{type(error).__name__}: {str(error).splitlines()[0][:200]}")
        return
    answer(ready=True, first_call_seconds=first)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        answer(seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
