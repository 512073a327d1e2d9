"""GGUF, the format of llama.cpp: one file with settings, tokenizer and tensors."""
