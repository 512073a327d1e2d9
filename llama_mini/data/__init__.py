"""The data rooms, in the order text walks through them.

sources → fetch → readers (extraction, cleaning) → language → quality → dedup → mixing → shards
"""
