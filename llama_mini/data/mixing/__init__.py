"""From documents to a mix: shares, the split, the passes over each source, packing."""
