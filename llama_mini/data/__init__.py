"""From package files to token shards: `pipeline.py` has the stages, `build.py` runs them.

sources → readers → stages, each in a file of `stages/` and made of leaves → mixing → shards
"""
