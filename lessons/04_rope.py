# %% [markdown]
# # 04 · Rotary positions
#
# **60 minutes · under 1 GB of memory · comes after 03**
#
# > *"The dog bit the man" and "the man bit the dog" are made of the same words. What in a Transformer
# > tells them apart? And how can a model be exactly right at its first word and drift with every word
# > after it?*

# %%
from llama_mini.course import check, hint, overlay, progress, solution

# %% [markdown]
# ## What happens without it
#
# In attention every position has a *query* $q$, and compares it with the *key* $k$ of each position it
# may look at. The comparison is a dot product, the *score* $q \cdot k$. The scores decide how much of
# each *value* $v$ is taken. Lesson 05 writes all of this; here only the score matters.
#
# Six words that come up on the way, and what to think of until 05 to 07 define them:
#
# | word | for now |
# |---|---|
# | Transformer | the whole model: a stack of *layers* that each rewrite one vector per position |
# | head | one of several attentions side by side in a layer, each with its own, shorter vectors $q$, $k$, $v$ of `head_dim` numbers |
# | $W_q$, $W_k$, $W_v$ | the learned matrices that make $q$, $k$, $v$ from a position's vector (`wq`, `wk`, `wv` in code) |
# | softmax | turns scores into positive shares that sum to 1; the largest score gets the largest share |
# | logits | the model's last numbers, a score for each token that might come next |
# | greedy | always taking the token with the largest logit |
#
# Nothing in a dot product knows where its two vectors stood. So shuffle everything before the last
# word. What the last word takes from the others stays what it was:

# %%
import math

import torch

from llama_mini import attention

generator = torch.Generator().manual_seed(0)
q, k, v = torch.randn(3, 1, 1, 6, 32, generator=generator)  # (batch, heads, seq, head_dim) each

shuffled = torch.tensor([3, 0, 4, 2, 1, 5])
in_order = attention.scaled_dot_product_attention(q[:, :, -1:], k, v)
out_of_order = attention.scaled_dot_product_attention(
    q[:, :, -1:], k[:, :, shuffled], v[:, :, shuffled]
)
print(f"largest change after shuffling: {(in_order - out_of_order).abs().max():.0e}")

# %% [markdown]
# That is rounding, nothing more. Without positions the last word sees a bag of words, and "dog bit
# man" is "man bit dog".
#
# One answer is to learn a vector for each position and add it to the word's. GPT-2 and GPT-3 do so.
# It has two flaws: a position past the last learned vector has none at all, and that "three words
# ago" means the same everywhere has to be learned again at every place.
#
# ## The idea in plain words
#
# Take the numbers of a query two at a time. Each pair is a point in the plane: the hand of a clock.
# **Turn the hand by an angle proportional to the position.** Turn the keys in the same way. A dot
# product of two hands depends on their lengths and on the angle *between* them. If both stand five
# words further on, both have turned by the same amount more, and the angle between them is unchanged.
# So the score knows the *distance*, and nothing of the absolute place.
#
# One clock would not do: after a full turn it shows the same again. So each pair is a clock of its
# own speed. The fast ones tell neighbours apart; the slow ones tell near from far.
#
# This is *rotary position embedding*, RoPE (Su et al. 2021, arXiv 2104.09864). LLaMA uses it in every
# layer, on queries and keys only. The values are never turned.
#
# ## The mathematics
#
# A head has `head_dim` $= d$ numbers, so $d/2$ pairs. Pair $i = 0, 1, \ldots, d/2 - 1$ is made of the
# neighbours $x_{2i}$ and $x_{2i+1}$, and turns by the *frequency* $\theta_i$ for each position:
#
# $$\theta_i = \Theta^{-2i/d}, \qquad \Theta = 10{,}000$$
#
# That starts at 1 radian (57°) for the first pair and falls by the same factor from pair to pair.
# At position $p$ the pair is turned by the angle $p\,\theta_i$, counter-clockwise: these clocks run
# backwards.
#
# $$\begin{pmatrix} x'_{2i} \\ x'_{2i+1} \end{pmatrix} =
# \begin{pmatrix} \cos p\theta_i & -\sin p\theta_i \\ \sin p\theta_i & \cos p\theta_i \end{pmatrix}
# \begin{pmatrix} x_{2i} \\ x_{2i+1} \end{pmatrix}$$
#
# The same in one line: read the pair as the complex number $z_i = x_{2i} + \mathrm{i}\,x_{2i+1}$, and
# multiply by a number of length 1, which turns and does not stretch:
#
# $$z_i' = z_i \cdot e^{\mathrm{i} p\theta_i}, \qquad e^{\mathrm{i}\varphi} = \cos\varphi + \mathrm{i}\sin\varphi$$
#
# Now the proof that only the distance counts. The dot product of two pairs is the real part of one
# times the *conjugate* of the other, and conjugating $e^{\mathrm{i} n\theta}$ gives $e^{-\mathrm{i} n\theta}$.
# With the query at position $m$ and the key at position $n$:
#
# $$\mathrm{Re}\left( q\,e^{\mathrm{i} m\theta} \cdot \overline{k\,e^{\mathrm{i} n\theta}} \right)
# = \mathrm{Re}\left( q\,\overline{k}\; e^{\mathrm{i}(m-n)\theta} \right)$$
#
# $m$ and $n$ are left as a difference only.
#
# ## The naive code
#
# One vector, plain Python, one pair after the other:


# %%
def rotated_vector(x, position, theta=10_000.0):
    """The rotation of one head's vector, a list of numbers, at one position."""
    result = []
    for i in range(len(x) // 2):
        angle = position * theta ** (-2 * i / len(x))
        a, b = x[2 * i], x[2 * i + 1]
        result += [
            a * math.cos(angle) - b * math.sin(angle),
            a * math.sin(angle) + b * math.cos(angle),
        ]
    return result


rotated_vector([1.0, 0.0, 1.0, 0.0], position=1)

# %% [markdown]
# Check it in your head. Both pairs point along the first axis. The first turns by 1 radian, so it
# becomes (cos 1, sin 1) = (0.54, 0.84). The second turns by $10000^{-1/2} = 0.01$ radians and hardly
# moves.
#
# Three things that you need for the real code, each on two numbers:

# %%
pair = torch.tensor([3.0, 4.0])

point = torch.view_as_complex(pair)  # the last axis, of length 2, becomes one complex number
quarter_turn = torch.polar(torch.tensor(1.0), torch.tensor(math.pi / 2))  # length, angle
print("as a complex number:   ", point)
print("a quarter turn:        ", quarter_turn)
print("turned, as two numbers:", torch.view_as_real(point * quarter_turn))

# %% [markdown]
# `view_as_complex` reads neighbours, which is just the pairing of Meta's weights. Complex numbers come
# in pairs of float32 (`complex64`), float64 (`complex128`) or float16 (`complex32`, for which torch has
# few operations). There is none of bfloat16. So queries in 16 bits become float32 first.
#
# ## Clocks you can turn
#
# Eight of the 64 pairs of a LLaMA head, `head_dim` 128. Each hand starts on the right. Focus the
# slider and hold an arrow key; hold Page Up to go faster.

# %%
import ipywidgets as widgets

from llama_mini import rope
from llama_mini.visualization import figures
from llama_mini.visualization.explore import Explorer

frequencies = rope.rope_frequencies(128)
SHOWN = (0, 8, 16, 24, 32, 40, 48, 63)
RIM = torch.polar(torch.ones(49), torch.linspace(0, 2 * math.pi, 49))


def draw_clock(axes, center, hands, title):
    """A dial at `center`, and hands: (complex number, color) each."""
    axes.plot((RIM.real + center[0]).numpy(), (RIM.imag + center[1]).numpy(), color="0.8", lw=1)
    for hand, color in hands:
        axes.plot(
            [center[0], center[0] + hand.real],
            [center[1], center[1] + hand.imag],
            color=color,
            lw=3,
        )
    axes.text(center[0], center[1] + 1.18, title, ha="center", va="bottom", fontsize=9)


def without_axes(axes):
    axes.set_aspect("equal")
    axes.axis("off")


def draw_clocks(position):
    hands = rope.rope_table(128, position + 1)[position]
    figure, axes = figures.subplots(height=4.2)
    for place, i in enumerate(SHOWN):
        center = (2.9 * (place % 4), -3.2 * (place // 4))
        draw_clock(
            axes,
            center,
            [(hands[i].item(), figures.COLORS[0])],
            f"pair {i}: {frequencies[i]:.2g} rad",
        )
    without_axes(axes)
    turns = ", ".join(f"pair {i} {position * frequencies[i] / (2 * math.pi):.3g}" for i in SHOWN)
    return figure, f"Eight clock hands at position {position}. Full turns so far: {turns}."


Explorer(draw_clocks, position=widgets.IntSlider(3, min=0, max=2047))

# %% [markdown]
# At position 3 the first hand has gone almost half round, and the last three have not visibly moved.
# Now press Page Up for long: even at 2047, the last position of LLaMA's training, pair 63 has
# turned by less than 14°. Remember that hand; it returns below.
#
# ## The proof as a picture
#
# A query (blue) and a key (orange) of `head_dim` 8, so four clocks. On the right are the scores of
# this query and key at *all* pairs of positions; the cross marks yours. Move both sliders by the same
# amount and watch the angle in each clock.

# %%
generator = torch.Generator().manual_seed(4)
small_query, small_key = torch.polar(
    0.5 + 0.5 * torch.rand(2, 4, generator=generator),  # lengths
    2 * math.pi * torch.rand(2, 4, generator=generator),  # angles
)
small_table = rope.rope_table(8, 48, theta=100.0)  # a small theta, so that four clocks show it all
queries, keys = small_query * small_table, small_key * small_table  # (position, pair)
all_scores = (queries @ keys.conj().T).real  # (query position, key position)


def draw_proof(query_position, key_position):
    figure, (dials, field) = figures.subplots(1, 2, width=8.0, height=3.9)
    for i in range(4):
        hands = [
            (queries[query_position, i].item(), figures.COLORS[0]),
            (keys[key_position, i].item(), figures.COLORS[1]),
        ]
        draw_clock(dials, (2.6 * (i % 2), -3.0 * (i // 2)), hands, f"pair {i}")
    without_axes(dials)
    limit = all_scores.abs().max().item()
    field.imshow(
        all_scores.numpy(), cmap=figures.DIVERGING, vmin=-limit, vmax=limit, origin="lower"
    )
    field.plot(key_position, query_position, "x", color="black", ms=10, mew=3)
    field.set(xlabel="position of the key", ylabel="position of the query")
    field.grid(False)
    score = all_scores[query_position, key_position]
    field.set_title(f"score {score:.3f}  (purple above zero, orange below)", fontsize=10)
    return figure, (
        f"Query at position {query_position}, key at {key_position}, distance "
        f"{query_position - key_position}: score {score:.3f}. The map of all scores is the same "
        "along every diagonal."
    )


Explorer(
    draw_proof,
    query_position=widgets.IntSlider(12, min=0, max=47),
    key_position=widgets.IntSlider(8, min=0, max=47),
)

# %% [markdown]
# Along a diagonal the distance is constant, and so is the colour. The same by number, at LLaMA's size
# and over 2,048 positions: how much do scores of *one* distance differ, and how much those of
# different distances?

# %%
generator = torch.Generator().manual_seed(5)
table = rope.rope_table(128, 2048)
query, key = torch.randn(2, 1, 1, 1, 128, generator=generator)


def at_every_position(vector):
    """One vector (1, 1, 1, head_dim), rotated as if it stood at each position: (seq, head_dim)."""
    return rope.apply_rotary_emb(vector.expand(1, 2048, 1, 128), table)[0, :, 0]


scores = at_every_position(query) @ at_every_position(key).T  # (query position, key position)
of_one_distance = torch.stack([scores.diagonal(-d).std() for d in range(0, 1024, 32)])
of_all = torch.stack([scores.diagonal(-d).mean() for d in range(0, 1024, 32)]).std()
print(f"spread of the scores of one distance, at most: {of_one_distance.max():.5f}")
print(f"spread over different distances:               {of_all:.5f}")

# %% [markdown]
# The first number is not exactly zero because float32 rounds the angle: 2,047 radians are known to
# about 0.0001.
#
# ## How far a clock can see
#
# Two questions about LLaMA's 64 pairs. How many positions does each need for a full turn? And if a
# query meets a copy of itself some distance away, with all pairs of equal length, what is left of
# the score?

# %%
positions_per_turn = 2 * math.pi / frequencies
distances = torch.arange(2048)
kept = torch.outer(distances.float(), frequencies).cos().mean(dim=1)

figure, (left, right) = figures.subplots(1, 2, width=9.0, height=3.4)
left.semilogy(positions_per_turn.numpy(), color=figures.COLORS[0], lw=2.5)
left.axhline(2048, color=figures.COLORS[1], ls="--")
left.text(1, 2500, "2048, LLaMA's context", color=figures.COLORS[1])
left.set(xlabel="pair", ylabel="positions for a full turn")
right.semilogx(distances[1:].numpy(), kept[1:].numpy(), color=figures.COLORS[0], lw=1)
right.set(xlabel="distance (positions)", ylabel="score, as a share of distance 0", ylim=(0, 1))
full = int((positions_per_turn <= 2048).sum())
slowest = math.degrees(2048 * frequencies[-1])
print(
    f"{full} of 64 pairs go round at least once in 2,048 positions; pair 63 turns by {slowest:.1f}°."
)
figures.show(
    figure,
    alt=f"Left: positions for a full turn, from {positions_per_turn[0]:.1f} for pair 0 to "
    f"{positions_per_turn[63]:,.0f} for pair 63; {full} of 64 stay below 2048. Right: the score of a "
    "vector with its copy, as a share: "
    + ", ".join(f"{kept[d]:.2f} at distance {d}" for d in (1, 10, 100, 1000))
    + ".",
)

# %% [markdown]
# On the right is a mild preference for what is near, built in before any training: the fast pairs
# disagree first, the slow ones later. It is a tendency, not a law. A trained head can point its query
# and key so that the score is highest at any distance it likes.
#
# ## Two layouts, and why mixing them reads almost right
#
# Which two numbers make a pair? The mathematics does not care, as long as everybody agrees. Meta
# pairs neighbours, 0 with 1, 2 with 3: *interleaved*. Hugging Face pairs each number with the one half
# a head further on, 0 with 64, 1 with 65: *split-half*. In the picture, equal colours turn together.

# %%
HEAD_DIM = 8
LAYOUTS = {
    "interleaved (Meta)": [i // 2 for i in range(HEAD_DIM)],
    "split-half (Hugging Face)": [i % (HEAD_DIM // 2) for i in range(HEAD_DIM)],
}

figure, axes = figures.subplots(height=1.9)
for row, pairs in enumerate(LAYOUTS.values()):
    for column, i in enumerate(pairs):
        axes.barh(-row, 0.94, left=column, height=0.8, color=figures.COLORS[i])
        axes.text(column + 0.47, -row, f"pair {i}", ha="center", va="center", color="white")
axes.set_yticks([0, -1], LAYOUTS)
axes.set_xticks([c + 0.47 for c in range(HEAD_DIM)], range(HEAD_DIM))
axes.set_xlabel("dimension of the head")
axes.grid(False)
figures.show(
    figure,
    alt="Pairs of a head of 8 dimensions. "
    + "; ".join(f"{name}: {pairs}" for name, pairs in LAYOUTS.items())
    + ".",
)

# %% [markdown]
# To move from one to the other, move the *rows* of the projections that make queries and keys. Row
# $r$ of $W_q$ computes number $r$ of the query, so put the rows of each head in the order 0, 2, 4, …,
# 1, 3, 5, …: then the pair 0, 1 sits half a head apart, where split-half looks for it. A dot product
# does not care in which order its terms are added, so the scores stay the same. Here are rotation,
# order and back, for one head:


# %%
def rotate_split_half(x, table):
    """x (seq, head_dim): number i turns with number i + head_dim/2."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = table.real, table.imag
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def rotate_interleaved(x, table):
    """x (seq, head_dim): number 2i turns with number 2i + 1."""
    return rope.apply_rotary_emb(x[None, :, None], table)[0, :, 0]


generator = torch.Generator().manual_seed(6)
seq, dim, head_dim = 200, 96, 64
words = torch.randn(seq, dim, generator=generator)
wq, wk = torch.randn(2, head_dim, dim, generator=generator) / dim**0.5
evens_then_odds = [*range(0, head_dim, 2), *range(1, head_dim, 2)]
table = rope.rope_table(head_dim, seq)


def scores_of(rotate, wq, wk):
    return rotate(words @ wq.T, table) @ rotate(words @ wk.T, table).T


meta = scores_of(rotate_interleaved, wq, wk)
converted = scores_of(rotate_split_half, wq[evens_then_odds], wk[evens_then_odds])
mixed = scores_of(rotate_split_half, wq, wk)

print(f"size of the scores:                    {meta.std():.2f}")
print(f"error with the rows converted:         {(converted - meta).abs().max():.1e}")
print(f"error without, a word and itself:      {(mixed - meta).diagonal().abs().max():.1e}")
print(f"error without, a word and its neighbour:{(mixed - meta).diagonal(-1).abs().mean():6.2f}")
print(f"error without, 100 words apart:        {(mixed - meta).diagonal(-100).abs().mean():6.2f}")

# %% [markdown]
# The order `evens_then_odds` is that of one head; a real $W_q$ holds the rows of all heads, one head
# after the other. A list of rows is one way to reorder them. Another is `einops.rearrange`, which is
# new here: you name the axes, and write down how they are nested before and after. Twelve days, say,
# are two months of three weeks of two days:

# %%
import einops

days = torch.arange(12)
print(einops.rearrange(days, "(month week day) -> month week day", month=2, day=2).tolist())
print(einops.rearrange(days, "(month week day) -> (month day) week", month=2, day=2).tolist())

# %% [markdown]
# Brackets hold axes that are nested in one, the slowest first. Axes change their places when the right
# side names them in another order; no number is lost. Give the sizes that it cannot work out, here
# months and days; the three weeks follow. In the exercise those are `heads=n_heads, two=2`.
#
# So a model with the wrong layout is exactly right where the distance is zero, and goes wrong from
# there. See what that does to a whole model. We take a small LLaMA with random weights, convert the
# rows of its queries and keys to split-half, and leave the rotation as it was. That is what a loader
# does which forgets that the two belong together.

# %%
import copy
import itertools

from llama_mini import ModelConfig, Transformer

torch.manual_seed(0)
model = Transformer(
    ModelConfig(dim=256, n_layers=2, n_heads=4, vocab_size=512, multiple_of=32, max_seq_len=512)
).eval()
wrong = copy.deepcopy(model)
with torch.no_grad():
    for right_layer, wrong_layer in zip(model.layers, wrong.layers, strict=True):
        for name in ("wq", "wk"):
            weight = getattr(right_layer.attention, name).weight
            # Heads that care whom they look at, as trained ones do.
            weight.normal_(std=1.6 / 256**0.5)
            getattr(wrong_layer.attention, name).weight.copy_(rope.interleaved_to_half(weight, 4))

    tokens = torch.randint(512, (8, 512))
    right_logits, wrong_logits = model(tokens), wrong(tokens)
    error = (wrong_logits - right_logits).norm(dim=-1) / right_logits.norm(dim=-1)
    by_position = error.mean(dim=0)
    same_choice = (wrong_logits.argmax(-1) == right_logits.argmax(-1)).float().mean(dim=0)

edges = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
blocks = list(itertools.pairwise(edges))
labels = [str(a) if b - a == 1 else f"{a}–{b - 1}" for a, b in blocks]
errors = [by_position[a:b].mean().item() for a, b in blocks]
choices = [same_choice[a:b].mean().item() for a, b in blocks]

figure, axes = figures.subplots()
axes.plot(
    labels, errors, "o-", color=figures.COLORS[0], label="error of the logits, share of their size"
)
axes.plot(labels, choices, "s--", color=figures.COLORS[1], label="the same token is most likely")
axes.set(xlabel="position", ylabel="share", ylim=(0, 1.25))
axes.legend(loc="center right")
figures.show(
    figure,
    alt="Weights in one layout, rotation in the other, by position. Error of the logits and share of "
    "unchanged choices: "
    + "; ".join(
        f"{label}: {e:.2f}, {c:.0%}" for label, e, c in zip(labels, errors, choices, strict=True)
    )
    + ".",
)

# %% [markdown]
# Position 0 is exact: it looks at itself alone. The first few positions lean the right way, so the
# first tokens of a text can read well; then it falls apart. A short greedy sample from a very short
# prompt may not catch this mistake. Comparing logits at late positions does, and the tests of this
# course do that.
#
# (In a model with random weights "falls apart" is complete after some twenty positions. How fast it
# happens in a trained one depends on what its heads look at.)
#
# ## Past the trained length
#
# You will read that RoPE generalises to longer texts. The LLaMA paper does not claim it, and vanilla
# RoPE models get worse beyond the 2,048 positions they were trained on. The formula has an angle for every
# position; the *model* has not learned what to do with it. Look at which angles between query and
# key it can have met. Blue: in training. Orange: new at the length you choose.

# %%
TRAINED = 2048


def draw_arcs(length, positions):
    step = TRAINED / length if positions == "interpolated" else 1.0
    seen = TRAINED * frequencies  # the largest angle in training, pair by pair
    reached = length * step * frequencies
    new = (seen < 2 * math.pi) & (reached > seen * 1.0001)

    figure, axes = figures.subplots(height=4.2)
    for place, i in enumerate((0, 20, 40, 44, 48, 52, 57, 63)):
        x, y = 2.9 * (place % 4), -3.2 * (place // 4)
        draw_clock(axes, (x, y), [], f"pair {i}")
        for start, stop, color in [(0.0, seen[i], 0), (seen[i], reached[i], 1)][: 1 + int(new[i])]:
            angles = torch.linspace(start, min(stop, 2 * math.pi), 60)
            axes.plot(x + angles.cos(), y + angles.sin(), color=figures.COLORS[color], lw=5)
    without_axes(axes)
    axes.set_title(f"{int(new.sum())} of 64 pairs meet angles they never saw", pad=14)
    return figure, (
        f"Angles between query and key at length {length}, positions {positions}: {int(new.sum())} of 64 "
        f"pairs meet angles that do not occur within {TRAINED} positions. One position is "
        f"{step:.2f} of a trained step."
    )


Explorer(
    draw_arcs,
    length=widgets.IntSlider(4096, min=2048, max=16384, step=1024),
    positions=widgets.Dropdown(options=["as trained", "interpolated"], value="as trained"),
)

# %% [markdown]
# The 41 fast pairs have been all the way round: no angle is new to them. The 23 slow ones know a part of
# the circle, the slowest less than 14° of it. Beyond, nothing in training says what they should do.
#
# Choose *interpolated*. *Position interpolation* (Chen et al. 2023, arXiv 2306.15595) multiplies every
# position by (trained length / new length). All angles return to where training was. The price: words
# now stand closer together, at fractions of a step that training never had either. Between familiar
# places is easier than beyond them. The authors fine-tuned LLaMA 7B to 65B for at most 1,000 steps to
# reach up to 32,768 positions.
#
# ### An experiment
#
# As a function of the distance $s$, the score of one query and key is $\sum_i |h_i|\cos(s\,\theta_i + \varphi_i)$
# for some lengths $h_i$ and angles $\varphi_i$: 128 numbers that training can choose. Let us choose them
# ourselves, so that nearer is better: the score should be $-\frac12\ln(1 + s)$ for all $s$ up to 2,047.
# Least squares finds them at once. We do it three times and only change how strongly large numbers are
# punished, which within the trained length makes little difference.

# %%
FARTHEST = 8192
wanted = -0.5 * torch.log1p(torch.arange(TRAINED, dtype=torch.float64))


def waves(distances):
    """Every cosine and sine a score can be made of: (distances, 128)."""
    angles = torch.outer(distances.double(), frequencies.double())
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def fitted(punishment):
    basis = waves(torch.arange(TRAINED))
    return torch.linalg.solve(
        basis.T @ basis + punishment * torch.eye(128, dtype=torch.float64), basis.T @ wanted
    )


FITS = {f"punished by {p:g}": fitted(p) for p in (0.001, 0.03, 1.0)}
asked_at = torch.arange(0, FARTHEST, 16)
in_range = waves(torch.arange(TRAINED)) @ torch.stack(list(FITS.values()), dim=1)
apart = in_range.amax(dim=1) - in_range.amin(dim=1)
print(f"in the trained range the three are {apart.median():.3f} apart, at most {apart.max():.2f}")


def draw_beyond(divide_by):
    curves = torch.stack([waves(asked_at / divide_by) @ fit for fit in FITS.values()])
    figure, axes = figures.subplots(height=3.8)
    for name, curve, style in zip(FITS, curves, ("-", "--", ":"), strict=True):
        axes.plot(asked_at.numpy(), curve.numpy(), style, label=name, lw=1.8)
    end = TRAINED * divide_by
    axes.axvline(end, color="0.5", lw=1)
    axes.text(end, 19, "end of the \ntrained angles ", va="top", ha="right", color="0.35")
    axes.set(xlabel="distance", ylabel="score", ylim=(-21, 20))
    axes.legend(loc="lower left", ncols=3)
    apart = (curves.amax(dim=0) - curves.amin(dim=0)).max()
    return figure, (
        f"Three fitted scores against the distance up to {FARTHEST}, positions divided by "
        f"{divide_by:g}. Trained angles end at distance {end:.0f}. The three are at most "
        f"{apart:.1f} apart; together they reach from {curves.min():.1f} to {curves.max():.1f}."
    )


Explorer(draw_beyond, divide_by=widgets.FloatSlider(1.0, min=1.0, max=4.0, step=0.25))

# %% [markdown]
# Up to 2,047 the three are hard to tell apart. Past it each goes its own way, because no data ever held them. A score
# that is too high by a few units takes the whole softmax, and a distant word drowns the near ones.
# Now divide the positions: move the slider to the right, and the wild part leaves the picture. At 4
# the 8,192 positions fit where 2,048 were.
#
# What this shows is a fit, not a language model. It shows that training *leaves open* what happens
# beyond, and why interpolation is the safer of two guesses.
#
# ## What breaks if you get it wrong
#
# Most mistakes here are silent: shapes fit, lengths are right, the first position is exact. One of them
# appears only with size. Angles are positions times frequencies, so their error grows with the position.
# How far off is the worst of 64 hands if positions and frequencies are held in fewer bits?

# %%
exact = torch.outer(torch.arange(TRAINED).double(), 10_000 ** -(torch.arange(64).double() / 64))

figure, axes = figures.subplots()
worst = {}
for dtype, color in [(torch.bfloat16, 1), (torch.float16, 4), (torch.float32, 0)]:
    angles = torch.outer(torch.arange(TRAINED).to(dtype), frequencies.to(dtype)).double()
    # The angle between the right hand and the wrong one, at most half a turn; the worst of 64 pairs.
    off = torch.polar(torch.ones_like(exact), angles - exact).angle().abs().amax(dim=1)
    name = str(dtype).removeprefix("torch.")
    worst[name] = off.max().item()
    axes.loglog(off.clamp(min=1e-8).numpy(), color=figures.COLORS[color], lw=1, label=name)
axes.axhline(math.pi, color="0.5", ls="--")
axes.text(1.2, 4.5, "half a turn: as wrong as can be", color="0.35")
axes.set(xlabel="position", ylabel="error of the angle (radians)", ylim=(1e-8, 60))
axes.legend(loc="lower right", ncols=3)
figures.show(
    figure,
    alt="Worst error of the angle over 64 pairs, against the position. Largest up to 2047: "
    + ", ".join(f"{name} {error:.1e} radians" for name, error in worst.items())
    + "; half a turn is 3.1.",
)

# %% [markdown]
# In bfloat16 some hand is a quarter turn off by position 303 (92°), and points almost the opposite way
# by 606 (175°). So the table is made in float32, and is never cast along with the model. What else
# people get wrong:
#
# - **The other layout**: pairs half a head apart, or read in one layout and written back in the other.
# - **The wrong way round**: turning clockwise. If queries *and* keys do it, scores still depend
#   on the distance alone, so your own tests pass; but Meta's weights expect the other direction.
# - **The wrong axis**: `x` is `(batch, seq, heads, head_dim)`. Broadcasting lines axes up from the
#   right, so a table of shape `(seq, head_dim/2)` meets `heads`, not `seq`, unless you give it an axis
#   of length one in between. With as many heads as positions nothing complains.
# - **Cached keys turned again.** Lesson 08 keeps the keys of earlier positions instead of computing
#   them anew. A key is turned once, at its own position, *before* it is stored.
#
# ## Meta's own numbers
#
# The LLaMA paper gives no number on RoPE to reproduce: it says that RoPE stands at each layer. (It credits
# "GPTNeo"; the cited paper, Black et al. 2022, is on GPT-NeoX-20B.) Θ = 10,000 and the 2,048 positions
# stand in Meta's code, which makes a table of twice that length. What it costs in 7B:

# %%
from llama_mini import CONFIGS

config = CONFIGS["7B"]
table = rope.rope_table(config.head_dim, 2 * config.max_seq_len, config.rope_theta)
bytes_of_table = table.numel() * table.element_size()
# A complex product is 4 multiplications and 2 additions; for queries and keys, in every pair.
rotation = 2 * 6 * config.n_heads * config.head_dim // 2
projections = 2 * 2 * config.dim * config.n_heads * config.head_dim

print(f"table: {tuple(table.shape)} {table.dtype}, {bytes_of_table / 2**20:.0f} MiB for all layers")
print("learned parameters: 0")
print(
    f"operations per token and layer: {rotation:,}, or {rotation / projections:.3%} of wq's and wk's"
)

# %% [markdown]
# The 7B file nevertheless stores the 64 frequencies once in each of its 32 layers. They can be computed,
# so a loader leaves them out.
#
# ## In three lines
#
# - Each pair of numbers in a query or key is a clock hand; position $p$ turns pair $i$ by $p\,\Theta^{-2i/d}$.
# - Scores then depend on the distance alone. Beyond the trained distances nothing is promised.
# - Meta pairs neighbours, Hugging Face pairs halves; convert the rows of $W_q$ and $W_k$, or everything
#   is right at position 0 and wrong later.

# %% [markdown] tags=["exercise-text"]
# ## Frequencies
#
# Write `rope_frequencies(head_dim, theta=10000.0)`: how many radians each pair turns from one position
# to the next.
#
# $$\theta_i = \Theta^{-2i/d}, \qquad i = 0, 1, \ldots, d/2 - 1$$
#
# - $d$ is `head_dim`, an even number; $\Theta$ is `theta`.
# - Return a float32 tensor of shape `(head_dim/2,)`. It starts at 1 and falls.
# - The package's own code raises `ValueError` for an odd `head_dim`; yours may, and is not asked to.
#
# `rope_frequencies(4)` is `tensor([1.0000, 0.0100])`.

# %% tags=["exercise"] symbol="llama_mini.rope:rope_frequencies" part="The mathematics"

# %% [markdown] tags=["exercise-text"]
# ## The table of rotations
#
# Write `rope_table(head_dim, max_seq_len, theta=10000.0)`: every rotation that a model will need, made
# once.
#
# - Return a `complex64` tensor of shape `(max_seq_len, head_dim/2)`.
# - Row $p$, counted from 0, holds $e^{\mathrm{i} p\theta_i}$ for each pair $i$: a number of length 1 and
#   angle $p\,\theta_i$. So row 0 is all ones.
# - Frequencies come from `rope.rope_frequencies`, which is your own code once it has passed and the
#   reference until then. Keep the angles in float32.
#
# `torch.outer(a, b)[i, j]` is `a[i] * b[j]`; the lesson showed `torch.polar`.

# %% tags=["exercise"] symbol="llama_mini.rope:rope_table" part="The naive code"

# %% [markdown] tags=["exercise-text"]
# ## The rotation
#
# Write `apply_rotary_emb(x, table)`, which turns queries or keys by their positions.
#
# - `x` is `(batch, seq, heads, head_dim)`; `table` is `(seq, head_dim/2)`, complex64. Row $p$ belongs to
#   position $p$ of `x`, in every sequence of the batch and in every head.
# - Numbers $2i$ and $2i+1$ of a head are one pair, turned by `table[p, i]`, as in the formulas of the
#   lesson. Each result goes back to the place its number came from.
# - Compute in float32, and return the shape and dtype of `x`: bfloat16 in, bfloat16 out.
# - Leave `x` as it was. Gradients must get through.
#
# Complex numbers are one way; cosines and sines (`table.real`, `table.imag`) are another. What you do with a
# table of the wrong length is up to you. (The package raises `ValueError`.)

# %% tags=["exercise"] symbol="llama_mini.rope:apply_rotary_emb" part="The naive code"

# %% [markdown] tags=["exercise-text"]
# ## From Meta's layout to Hugging Face's
#
# Write `interleaved_to_half(weight, n_heads)`, which reorders the rows of $W_q$ or $W_k$.
#
# - `weight` is `(n_heads · head_dim, dim)`: the rows of head 0 first, then those of head 1, and so on.
# - Heads stay in their places. Within each head, rows 0, 2, 4, … come first, then rows 1, 3, 5, ….
# - Return a new tensor of the same shape and dtype.
#
# With two heads of `head_dim` 6, the rows of the result are 0, 2, 4, 1, 3, 5 and 6, 8, 10, 7, 9, 11 of the
# weight. It can be done in one line with `einops.rearrange`: name each axis hidden in the rows, and
# write them in another order.

# %% tags=["exercise"] symbol="llama_mini.rope:interleaved_to_half" part="Two layouts, and why mixing them reads almost right"

# %% [markdown] tags=["exercise-text"]
# ## And back
#
# Write `half_to_interleaved(weight, n_heads)`, the exact inverse: what `interleaved_to_half` did to the
# rows of each head, it undoes. The same shapes, and again a new tensor.
#
# With one head of `head_dim` 6, the rows of the result are 0, 3, 1, 4, 2, 5 of the weight.

# %% tags=["exercise"] symbol="llama_mini.rope:half_to_interleaved" part="Two layouts, and why mixing them reads almost right"

# %% [markdown]
# ## What comes next
#
# First the exercises above. Then [05 · Attention](05_attention.ipynb): where the rotated queries and keys meet.
