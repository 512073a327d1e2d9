"""causal_mask: who may look at whom, when the queries are the last positions."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args


def _mask(body: str) -> str:
    """The function, from the expression it returns."""
    return f"def causal_mask(n_queries, n_keys):\n    return {body}\n"


_ONES = "torch.ones(n_queries, n_keys, dtype=torch.bool)"

EXERCISE = Exercise(
    symbol="llama_mini.attention:causal_mask",
    lesson=5,
    minutes=10,
    difficulty=2,
    cases=(
        Case("a whole sequence", given=args(5, 5)),
        Case("a chunk after a cache", given=args(3, 8), points=2),
        Case("one new token after a cache", given=args(1, 6)),
        Case("a chunk as long as the cache", given=args(4, 8)),
    ),
    wrong_answers=(
        WrongAnswer(
            "not offset",
            "Your triangle starts in the corner, as if the queries were the first positions. They"
            " are the last: query 0 of a chunk stands at position n_keys - n_queries and may see "
            "everything before it. Shift the diagonal by that much.",
            _mask(f"{_ONES}.tril()"),
            also=(
                _mask("torch.ones(n_keys, n_keys, dtype=torch.bool).tril()[:n_queries]"),
                _mask("torch.arange(n_keys)[None, :] <= torch.arange(n_queries)[:, None]"),
            ),
        ),
        WrongAnswer(
            "offset the wrong way",
            "The diagonal is shifted to the left. `tril(diagonal=n)` with a positive n keeps more"
            " keys, and each cached position is one key more: the shift is n_keys - n_queries.",
            _mask(f"{_ONES}.tril(diagonal=n_queries - n_keys)"),
        ),
        WrongAnswer(
            "cannot see itself",
            "The diagonal is missing: a query may look at its own position, not only at those "
            "before it. The first token of a text would see nothing at all, and its softmax is "
            "nan.",
            _mask(f"{_ONES}.tril(diagonal=n_keys - n_queries - 1)"),
            also=(
                _mask(
                    "torch.arange(n_keys)[None, :] < torch.arange(n_keys - n_queries, n_keys)[:, "
                    "None]"
                ),
            ),
        ),
        WrongAnswer(
            "sees one token ahead",
            "Each query may see one key too many: the very token it should predict. The training "
            "loss of such a model looks wonderful, and its text is useless. Move the diagonal "
            "back by one.",
            _mask(f"{_ONES}.tril(diagonal=n_keys - n_queries + 1)"),
        ),
        WrongAnswer(
            "inverted",
            "True and False are exchanged: yours is True where a query may *not* look. Here True "
            "means that it may.",
            _mask(f"{_ONES}.triu(diagonal=n_keys - n_queries + 1)"),
            also=(
                _mask(f"~{_ONES}.tril(diagonal=n_keys - n_queries)"),
                _mask(f"{_ONES}.triu(1)"),
            ),
        ),
        WrongAnswer(
            "looks forward",
            "Your queries see themselves and everything *after* them: the upper triangle. A query"
            " looks back, so keep the lower one, `tril`.",
            _mask(f"{_ONES}.triu(diagonal=n_keys - n_queries)"),
            also=(_mask(f"{_ONES}.triu()"),),
        ),
        WrongAnswer(
            "hides nothing",
            "Everything is True, so each query sees the future. Only the keys up to a query's own"
            " position may be.",
            _mask(_ONES),
        ),
        WrongAnswer(
            "numbers, not booleans",
            "Your mask holds numbers. Here it is bool, True where a query may look; attention "
            "turns it into -inf itself. `dtype=torch.bool` makes one.",
            _mask("torch.ones(n_queries, n_keys).tril(diagonal=n_keys - n_queries)"),
            also=(
                _mask("torch.ones(n_queries, n_keys).tril(diagonal=n_keys - n_queries).int()"),
                _mask("torch.ones(n_queries, n_keys).tril(diagonal=n_keys - n_queries).long()"),
            ),
        ),
        WrongAnswer(
            "a mask to be added",
            "You made the kind of mask that is added to the scores, 0 and -inf. This one is bool:"
            " True where a query may look, False where it may not.",
            _mask(
                "torch.full((n_queries, n_keys), float('-inf')).triu(diagonal=n_keys - n_queries "
                "+ 1)"
            ),
            also=(_mask("torch.full((n_queries, n_keys), float('-inf')).triu(diagonal=1)"),),
        ),
        WrongAnswer(
            "no columns for the cache",
            "The mask is a square of the new positions. It needs a column for every key, the "
            "cached ones too: (n_queries, n_keys).",
            _mask("torch.ones(n_queries, n_queries, dtype=torch.bool).tril()"),
        ),
        WrongAnswer(
            "a row for every key",
            "The mask has a row for each of the n_keys positions. Only the new ones ask: keep the"
            " last n_queries rows.",
            _mask("torch.ones(n_keys, n_keys, dtype=torch.bool).tril()"),
        ),
        WrongAnswer(
            "keys by queries",
            "Rows and columns are exchanged: a row is a query, a column a key.",
            _mask(
                "torch.ones(n_queries, n_keys, dtype=torch.bool).tril(diagonal=n_keys - "
                "n_queries).T"
            ),
        ),
    ),
    alternatives=(
        Alternative(
            "positions compared",
            "def causal_mask(n_queries, n_keys):\n"
            "    queries = torch.arange(n_keys - n_queries, n_keys)\n"
            "    return torch.arange(n_keys) <= queries.unsqueeze(1)\n",
        ),
        Alternative(
            "the last rows of a square",
            _mask("torch.ones(n_keys, n_keys).tril()[n_keys - n_queries :].bool()"),
        ),
        Alternative("not the upper triangle", _mask(f"~{_ONES}.triu(n_keys - n_queries + 1)")),
        Alternative(
            "loops",
            "def causal_mask(n_queries: int, n_keys: int) -> Tensor:\n"
            "    offset = n_keys - n_queries\n"
            "    queries, keys = range(n_queries), range(n_keys)\n"
            "    rows = [[key <= offset + query for key in keys] for query in queries]\n"
            "    return torch.tensor(rows)\n",
        ),
        Alternative(
            "a row at a time",
            "def causal_mask(n_queries, n_keys):\n"
            "    mask = torch.zeros(n_queries, n_keys, dtype=torch.bool)\n"
            "    for row in range(n_queries):\n"
            "        mask[row, : n_keys - n_queries + row + 1] = True\n"
            "    return mask\n",
        ),
    ),
    hints=(
        "Draw it for 2 queries and 4 keys. Query 0 stands at position 2, so its row has three "
        "Trues. How many has the first row in general?",
        "`torch.ones(..., dtype=torch.bool)` and `.tril(diagonal=…)` are enough. `diagonal` says "
        "how far the edge of the triangle is moved to the right; for a square mask it is 0.",
        "Row 0 may see n_keys - n_queries cached keys besides its own, so the diagonal moves by "
        "exactly that: `.tril(diagonal=n_keys - n_queries)`.",
    ),
)
