"""Decoding as one compiled program: the model's own blocks, for one new token at a time."""

from llama_mini.compiled.decoder import CompiledDecoder

__all__ = ["CompiledDecoder"]
