"""Mistakes in causal_mask, written without looking at the casebook, at shapes it does not use."""

from llama_mini.course.judge.exercise import Case, args

CASES = (
    Case("square", given=args(7, 7)),
    Case("chunk", given=args(4, 9)),
    Case("one", given=args(1, 11)),
    Case("half", given=args(5, 10)),
)

POSITIONS = (
    "def causal_mask(n_queries, n_keys):\n"
    "    offset = n_keys - n_queries\n"
    "    q = torch.arange(n_queries).unsqueeze(-1) + {offset}\n"
    "    k = torch.arange(n_keys).unsqueeze(0)\n"
    "    return {test}\n"
)


def positions(test: str, offset: str = "offset") -> str:
    """The mask from positions, compared in some way."""
    return POSITIONS.format(test=test, offset=offset)


VARIANTS = {
    "not offset": [
        positions("q >= k", offset="0"),
        "def causal_mask(n_queries, n_keys):\n"
        "    m = torch.zeros((n_queries, n_keys), dtype=bool)\n"
        "    for i in range(n_queries):\n"
        "        m[i, : i + 1] = True\n"
        "    return m\n",
    ],
    "offset the wrong way": [positions("k <= q", offset="(-offset)")],
    "cannot see itself": [
        positions("q > k"),
        "def causal_mask(n_queries, n_keys):\n"
        "    full = torch.tril(torch.ones(n_keys, n_keys), -1)\n"
        "    return full[-n_queries:] == 1\n",
    ],
    "sees one token ahead": [
        positions("k <= q + 1"),
        "def causal_mask(n_queries, n_keys):\n"
        "    m = torch.ones(n_queries, n_keys, dtype=torch.bool)\n"
        "    return m.tril(n_keys - n_queries + 1)\n",
    ],
    "inverted": [
        positions("k > q"),
        "def causal_mask(n_queries, n_keys):\n"
        "    return torch.triu(torch.ones(n_keys, n_keys), 1)[-n_queries:].bool()\n",
    ],
    "looks forward": [positions("k >= q")],
    "hides nothing": [
        "def causal_mask(n_queries, n_keys):\n    return torch.full((n_queries, n_keys), True)\n",
        positions("(q >= 0) & (k >= 0)"),
    ],
    "numbers, not booleans": [
        positions("(k <= q).float()"),
        positions("(k <= q).int()"),
    ],
    "a mask to be added": [
        "def causal_mask(n_queries, n_keys):\n"
        "    m = torch.zeros(n_keys, n_keys)\n"
        "    m[torch.triu(torch.ones(n_keys, n_keys), 1).bool()] = -math.inf\n"
        "    return m[n_keys - n_queries :]\n",
    ],
    "no columns for the cache": [
        "def causal_mask(n_queries, n_keys):\n"
        "    i = torch.arange(n_queries)\n"
        "    return i[None] <= i[:, None]\n",
    ],
    "a row for every key": [
        "def causal_mask(n_queries, n_keys):\n"
        "    i = torch.arange(n_keys)\n"
        "    return i[None] <= i[:, None]\n",
    ],
    "keys by queries": [positions("(k <= q).transpose(0, 1)")],
    "returns nothing": [
        "def causal_mask(n_queries, n_keys):\n"
        "    mask = torch.ones(n_queries, n_keys).tril(n_keys - n_queries).bool()\n"
    ],
}
