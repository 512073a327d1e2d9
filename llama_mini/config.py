"""The settings of a model, and the sizes that have names."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a LLaMA. Field names are those of Meta's `params.json` where it has them.

    dim: width of the residual stream.
    n_layers, n_heads: blocks, and query heads in each.
    n_kv_heads: key and value heads; None means one for every query head, as in all of LLaMA 1.
    vocab_size: tokens the model knows. max_seq_len: positions it is built for.
    multiple_of: the hidden width of the feed-forward layer is rounded up to a multiple of this,
        unless hidden_dim states the width outright.
    norm_eps: added to the mean square in RMSNorm. 65B differs from the others: 1e-5.
    rope_theta: base of the rotary frequencies.
    tied_embeddings: use the embedding matrix as output head (False in all of LLaMA 1).

    Raises ValueError if the numbers do not fit together.
    """

    dim: int
    n_layers: int
    n_heads: int
    vocab_size: int = 32_000
    n_kv_heads: int | None = None
    max_seq_len: int = 2048
    multiple_of: int = 256
    hidden_dim: int | None = None
    norm_eps: float = 1e-6
    rope_theta: float = 10_000.0
    tied_embeddings: bool = False

    def __post_init__(self) -> None:
        optional = {"n_kv_heads", "hidden_dim"}
        for name in (
            "dim",
            "n_layers",
            "n_heads",
            "vocab_size",
            "max_seq_len",
            "multiple_of",
            *optional,
        ):
            value = getattr(self, name)
            if value is None and name in optional:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}.")
        if self.norm_eps <= 0 or self.rope_theta <= 0:
            raise ValueError(
                "norm_eps and rope_theta must be above 0; "
                f"got {self.norm_eps} and {self.rope_theta}."
            )
        if self.dim % self.n_heads:
            raise ValueError(f"dim {self.dim} does not divide into {self.n_heads} heads.")
        if self.head_dim % 2:
            raise ValueError(
                f"Each head has {self.head_dim} dimensions (dim {self.dim} / {self.n_heads} heads)"
                "; RoPE rotates pairs and needs an even number."
            )
        if self.n_heads % self.kv_heads:
            raise ValueError(
                f"{self.n_heads} query heads cannot share {self.kv_heads} key/value heads evenly; "
                "n_heads must be a multiple of n_kv_heads."
            )

    @property
    def head_dim(self) -> int:
        """Dimensions of one head."""
        return self.dim // self.n_heads

    @property
    def kv_heads(self) -> int:
        """Key and value heads, with the default filled in."""
        return self.n_heads if self.n_kv_heads is None else self.n_kv_heads

    def to_dict(self) -> dict[str, int | float | bool | None]:
        """All fields as plain values, for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "ModelConfig":
        """The inverse of `to_dict`. Raises ValueError if a field is unknown or missing."""
        known = set(cls.__dataclass_fields__)
        if unknown := sorted(set(values) - known):
            raise ValueError(
                f"A model config has no field {', '.join(unknown)}; "
                f"it has {', '.join(sorted(known))}."
            )
        if missing := sorted({"dim", "n_layers", "n_heads"} - set(values)):
            raise ValueError(f"A model config needs {', '.join(missing)}.")
        return cls(**values)  # type: ignore[arg-type]


class _Configs(Mapping[str, ModelConfig]):
    """Named configs. Meta's paper says 33B where its download folder says 30B: both names work."""

    def __init__(self, configs: dict[str, ModelConfig], aliases: dict[str, str]) -> None:
        self._configs, self._aliases = configs, aliases

    def __getitem__(self, name: str) -> ModelConfig:
        try:
            return self._configs[self._aliases.get(name, name)]
        except KeyError:
            names = ", ".join([*self._configs, *self._aliases])
            raise KeyError(f"There is no config {name!r}; there are {names}.") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._configs)

    def __len__(self) -> int:
        return len(self._configs)

    def __contains__(self, name: object) -> bool:
        return name in self._configs or name in self._aliases


# The four sizes of Meta's release: LLaMA paper, Table 2, and each size's params.json (the source of
# norm_eps). The course's own sizes are for the 4,096-token vocabulary of its data mix.
CONFIGS: Mapping[str, ModelConfig] = _Configs(
    {
        "7B": ModelConfig(dim=4096, n_layers=32, n_heads=32),
        "13B": ModelConfig(dim=5120, n_layers=40, n_heads=40),
        "30B": ModelConfig(dim=6656, n_layers=60, n_heads=52),
        "65B": ModelConfig(dim=8192, n_layers=80, n_heads=64, norm_eps=1e-5),
        "nano": ModelConfig(
            dim=64, n_layers=2, n_heads=4, vocab_size=4096, max_seq_len=128, multiple_of=32
        ),
        "mini": ModelConfig(
            dim=256, n_layers=4, n_heads=4, vocab_size=4096, max_seq_len=256, multiple_of=32
        ),
    },
    aliases={"33B": "30B"},
)
