"""What goes wrong with the data, and a name for what it is made from."""

import hashlib
import json
from typing import Any

from llama_mini.pinned.files import CacheError


class DataError(CacheError):
    """Something about the data that the reader has to act on; the message says what to do."""


def fingerprint(*parts: Any) -> str:
    """A SHA-256 in hex that changes whenever one of the JSON-like `parts` does."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
