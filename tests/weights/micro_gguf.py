"""Small GGUF files for tests, written by llama.cpp's own Python library."""

import gguf
import numpy as np
from gguf import quants

from llama_mini.config import ModelConfig
from llama_mini.model import Transformer

CONFIG = ModelConfig(
    dim=64,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    vocab_size=300,
    hidden_dim=96,
    max_seq_len=40,
    norm_eps=1e-5,
    rope_theta=50_000.0,
)


def make_model(config: ModelConfig = CONFIG) -> Transformer:
    """Weights of a size at which norms, rotations and shared heads all matter."""
    model = Transformer(config)
    for name, parameter in model.named_parameters():
        noise = parameter.detach().clone().normal_()
        is_norm = parameter.ndim == 1
        scale = (
            0.2 if is_norm else (1.0 if "tok_embeddings" in name else parameter.shape[1] ** -0.5)
        )
        parameter.data = noise * scale + (1.0 if is_norm else 0.0)
    return model


def write(path, model: Transformer, kind: str = "F32", *, change=None, vocabulary=None):
    """Write `model`; matrices as `kind`, norms in F32 as llama.cpp does.

    change: a function that may add to the writer or overrule its keys. vocabulary: pieces, merges
    and the ids of special tokens.
    """
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_seq_len)
    writer.add_embedding_length(config.dim)
    writer.add_block_count(config.n_layers)
    writer.add_feed_forward_length(config.hidden_dim)
    writer.add_head_count(config.n_heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    if vocabulary is not None:
        add_vocabulary(writer, *vocabulary)
    if change is not None:
        change(writer)
    # The library knows Meta's names under "llama-pth", and which of its own each one is.
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.n_layers)
    for name, parameter in model.named_parameters():
        values = parameter.detach().float().numpy()
        stored = gguf.GGMLQuantizationType["F32" if values.ndim == 1 else kind]
        writer.add_tensor(
            names.get_name(name, try_suffixes=(".weight",)),
            quants.quantize(values, stored),
            raw_dtype=stored,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_vocabulary(writer: gguf.GGUFWriter, pieces, merges, special_ids) -> None:
    kinds = np.full(len(pieces), gguf.TokenType.NORMAL)
    kinds[list(special_ids)] = gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(list(pieces))
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(special_ids[0])
    writer.add_eos_token_id(special_ids[1])
    writer.add_add_bos_token(False)
