"""Hugging Face's layout: config.json, safetensors, and a tokenizer."""
