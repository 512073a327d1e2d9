"""The stages that documents go through, a file each. `data/pipeline.py` says in which order.

Each has one function, `answers(documents, **settings)`, that gives one answer for every document,
in their order: the document as it goes on and None, or None and the reason why it stays behind. Of
a document that goes on, a remark may stand where the reason would; both are counted.
"""

from llama_mini.data.documents import Document

Answer = tuple[Document | None, str | None]
