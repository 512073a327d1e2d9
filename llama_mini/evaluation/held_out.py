"""How good a model is on text it has not seen, in a unit that does not depend on the tokenizer."""

import math


def bits_per_byte(nats_per_token: float, n_tokens: int, n_bytes: int) -> float:
    """The bits that a model needs for each byte of a text: nats · tokens / (ln 2 · bytes).

    nats_per_token: the mean loss over n_tokens predicted tokens. n_bytes: the bytes of the text
    they stand for, in UTF-8, counted before it was tokenized; a token's own bytes, not those of a
    lossy decode. Tokens without text, such as `</s>`, are predicted and so cost bits, but have no
    bytes. → bits a byte, the same for two models that are as good with different vocabularies;
    8 is no better than storing the text. Raises ValueError unless both counts are above 0.
    Source: Gao et al. 2020, The Pile, §3.1.
    """
    if n_tokens < 1 or n_bytes < 1:
        raise ValueError(
            f"Bits a byte need a token and a byte at least; got {n_tokens} tokens, {n_bytes} bytes."
        )
    return nats_per_token * n_tokens / (math.log(2) * n_bytes)
