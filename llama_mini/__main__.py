"""`python -m llama_mini` is the command line."""

from llama_mini.cli import main

main()
