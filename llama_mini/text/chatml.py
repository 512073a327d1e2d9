"""ChatML: the form in which models such as SmolLM2 were taught to hold a conversation.

    <|im_start|>user
    What is a llama?<|im_end|>
    <|im_start|>assistant

The two marks are special tokens, and what people write is encoded as plain text, so nobody can end
a turn by typing one. A model's template is a Jinja program; it is recognised here, and never run.
"""

import re

from llama_mini.tokenizer.byte_level import ByteLevelTokenizer

START, END = "<|im_start|>", "<|im_end|>"

# A system message that the template states in so many words, for conversations without one.
_SYSTEM = re.compile(r"<\|im_start\|>system(?:\n|\\n)([^'\"{}]+)<\|im_end\|>")


class ChatML:
    """The form of a conversation, as tokens.

    system: the message that a conversation begins with if it is given no other, or None. end_id:
    the token with which the model ends its answer. Raises ValueError if the tokenizer's model was
    not taught this form.
    """

    def __init__(self, tokenizer: ByteLevelTokenizer | None) -> None:
        template = getattr(tokenizer, "chat_template", None)
        if template is None:
            raise ValueError(
                "This model came without a chat template: it continues texts, and was not taught "
                "to answer. `llama-mini chat smollm2` chats with one that was."
            )
        marks = [tokenizer.special_tokens.get(mark) for mark in (START, END)]
        if None in marks or START not in template or END not in template:
            raise ValueError(
                f"This model's chat template is not ChatML ({START}role … {END}), the one form of "
                "chat that is known here."
            )
        self._tokenizer = tokenizer
        self._start_id, self.end_id = marks
        stated = _SYSTEM.search(template)
        self.system = stated[1] if stated else None

    def turn(self, role: str, text: str) -> list[int]:
        """What somebody says: role is "system", "user" or "assistant"."""
        return [self._start_id, *self._plain(f"{role}\n{text}"), *self.closing()]

    def opening(self, role: str) -> list[int]:
        """The beginning of a turn, for the model to go on from."""
        return [self._start_id, *self._plain(f"{role}\n")]

    def closing(self) -> list[int]:
        """The end of a turn."""
        return [self.end_id, *self._plain("\n")]

    def _plain(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, bos=False)
