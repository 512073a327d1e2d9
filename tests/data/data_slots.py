"""The symbols of the lessons on data, lessons 9 and 10."""

import leaves

SLOTS = tuple(slot for slot in leaves.SLOTS if slot.startswith("llama_mini.data."))
# Training calls it, in a setting of its own.
CALLED_ELSEWHERE = ("llama_mini.data.mixing.packing:document_mask",)
