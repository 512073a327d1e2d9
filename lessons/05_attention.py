# %% [markdown]
# # 05 · Attention
#
# **90 minutes · under 1 GB of memory · comes after 04**
#
# > *Every piece you have built so far looks at one token at a time. How does a token find out what
# > stood before it, and what does the asking cost?*

# %%
from llama_mini.course import check, hint, overlay, progress, solution

# %% [markdown]
# ## What happens without it
#
# A puzzle. Take 8 to 20 different letters in random order, and say them again and again until 40
# letters are full: `q m c … q m c …`. The first pass is pure chance. From then on every letter is
# certain: look back to where you last saw the present letter, and copy what followed it.
#
# A norm and a feed-forward layer see one token each. So a model made of these alone sees the `q`,
# and nothing else. Any of the other 25 letters could follow, and no training helps: the best loss
# there is is $\ln 25 \approx 3.22$ nats. Train two small models on the puzzle, one with attention
# and one without. It takes about 15 seconds.

# %%
import math

import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from llama_mini import ModelConfig, Transformer
from llama_mini.visualization import figures

torch.set_num_threads(1)  # a model this small is faster on one core
LETTERS, LENGTH = 26, 40


def puzzles(count, generator):
    """Letters (count, 40), and how many of them the first pass has (count, 1)."""
    piece = torch.rand(count, LETTERS, generator=generator).argsort(dim=1)
    period = torch.randint(8, 21, (count, 1), generator=generator)
    return piece.gather(1, torch.arange(LENGTH) % period), period


def nats(model, letters):
    """The loss of each letter but the first, (count, 39)."""
    logits = model(letters[:, :-1])
    return F.cross_entropy(logits.transpose(1, 2), letters[:, 1:], reduction="none")


def after_the_first_pass(period):
    """Which of these letters can be known, (count, 39)."""
    return torch.arange(1, LENGTH) > period


class Deaf(nn.Module):
    """Stands where attention stood, and adds nothing to the stream."""

    def forward(self, x, table, mask=None, cache=None):
        return torch.zeros_like(x)


def small_model():
    torch.manual_seed(0)
    return Transformer(
        ModelConfig(dim=64, n_layers=2, n_heads=4, vocab_size=LETTERS, multiple_of=16)
    )


def train(model, steps, name):
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, betas=(0.9, 0.95), weight_decay=0)
    losses = []
    for step in tqdm(range(steps), desc=name, leave=False):
        optimizer.param_groups[0]["lr"] = 5e-3 * min(1, (step + 1) / 20)
        letters, period = puzzles(32, generator)
        loss = nats(model, letters)[after_the_first_pass(period)].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


deaf = small_model()
for layer in deaf.layers:
    layer.attention = Deaf()
without = train(deaf, 400, "without attention")

model = small_model()
with_attention = train(model, 400, "with attention")

figure, axes = figures.subplots()
axes.plot(without, color=figures.COLORS[1], label="without attention")
axes.plot(with_attention, color=figures.COLORS[0], label="with attention")
axes.axhline(math.log(25), color="0.5", ls="--", lw=1)
axes.text(400, math.log(25) + 0.22, "ln 25: chance", ha="right", color="0.4")
axes.set(xlabel="step", ylabel="loss after the first pass (nats)", ylim=(0, 3.9))
axes.legend(loc="lower left")
figures.show(
    figure,
    alt=f"Loss after the first pass, over 400 steps. Without attention it stays near chance, "
    f"{sum(without[-20:]) / 20:.2f} at the end; with attention it falls to "
    f"{sum(with_attention[-20:]) / 20:.2f}.",
)

# %% [markdown]
# The model without attention never beats chance. The other one creeps for a while, then falls
# quickly: it has found out how to look back. What it found you will see below, in its heads.
#
# ## The idea in plain words
#
# Every position makes three vectors out of its own:
#
# - a **query**: what am I looking for?
# - a **key**: what can be found here?
# - a **value**: what do I hand over to those who look here?
#
# A position compares its query with the keys of all positions up to its own. Each comparison is a
# dot product, one number. A softmax turns these numbers into *weights* that are positive and add up
# to 1, and the answer is the weighted average of the values. A table look-up does the same with
# one weight of 1 and all others 0. Attention is a soft look-up, so a gradient can pass through it.
#
# ## The mathematics
#
# For one query $q$, keys $k_1 \dots k_n$ and values $v_1 \dots v_n$, of $d$ dimensions each:
#
# $$s_j = \frac{q \cdot k_j}{\sqrt{d}}, \qquad w_j = \frac{e^{s_j}}{\sum_{i} e^{s_i}}, \qquad
# \mathrm{out} = \sum_{j} w_j\, v_j$$
#
# Put all queries into the rows of a matrix $Q$, keys into $K$, values into $V$, and it is one line
# (Vaswani et al. 2017, equation 1):
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d}}\right) V$$
#
# The softmax runs along each *row*: one query, all keys.
#
# ## The naive code
#
# One query, plain Python, the formula from left to right:


# %%
def attend(query, keys, values):
    """What one query gets: lists of numbers in, one list out."""
    scores = [
        sum(a * b for a, b in zip(query, key, strict=True)) / math.sqrt(len(query)) for key in keys
    ]
    parts = [math.exp(score) for score in scores]
    weights = [part / sum(parts) for part in parts]
    print("scores ", scores)
    print("weights", [round(weight, 3) for weight in weights])
    return [
        sum(w * value[i] for w, value in zip(weights, values, strict=True))
        for i in range(len(values[0]))
    ]


attend(
    query=[2.0, 0.0, 0.0, 0.0],
    keys=[[1.0, 5.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]],
    values=[[10.0, 0.0], [0.0, 10.0]],
)

# %% [markdown]
# Check it in your head: the dot products are 2 and 0, the root of 4 is 2, so the scores are 1 and 0.
# $e^1 = 2.72$ and $e^0 = 1$, so the first key gets 2.72 of 3.72 parts, 73 %. The 5 in the first key
# changes nothing, because the query does not ask about that dimension.
#
# ## Why divide by √d? A picture you can move
#
# Let queries and keys be random, each number of size 1. A dot product sums $d$ products, so its
# typical size is $\sqrt d$: for LLaMA's $d = 128$ that is 11. The softmax of such numbers puts
# most of the weight on one or two keys, before training has said which. Choose the number of dimensions, and
# see what each divisor does to the weights of 16 keys:

# %%
import ipywidgets as widgets

from llama_mini.visualization.explore import Explorer

DIVISORS = {"nothing": 0.0, "√d": 0.5, "d": 1.0}


def draw_weights(d, divided_by):
    generator = torch.Generator().manual_seed(4)
    query, keys = torch.randn(d, generator=generator), torch.randn(16, d, generator=generator)
    weights = (keys @ query / d ** DIVISORS[divided_by]).softmax(0).sort(descending=True).values
    figure, axes = figures.subplots(height=3.0)
    axes.bar(range(1, 17), weights.numpy(), color=figures.COLORS[0])
    axes.axhline(1 / 16, color=figures.COLORS[1], ls="--", lw=1.2)
    axes.text(16.5, 1 / 16 + 0.02, "1/16: no preference", ha="right", color=figures.COLORS[1])
    axes.set(xlabel="key, the heaviest first", ylabel="weight", ylim=(0, 1))
    return figure, (
        f"Weights of 16 random keys for one random query of {d} dimensions, scores divided by "
        f"{divided_by}: the heaviest has {weights[0]:.2f}, the lightest {weights[-1]:.4f}."
    )


Explorer(
    draw_weights,
    d=widgets.SelectionSlider(options=[2, 8, 32, 128, 512], value=128),
    divided_by=widgets.Dropdown(options=list(DIVISORS), value="nothing"),
)

# %% [markdown]
# With √d the picture keeps its character from 8 dimensions on. Without it, wide heads shout; divided by
# the whole of d, they go blind. Note which $d$ it is: the width of **one head**, 128 in all four
# sizes of LLaMA, and not the width of the model.
#
# ## The mask: nobody sees the future
#
# The model learns to predict the next token at *every* position at once. If a position could see the
# token after it, the answer would stand in the question. So a score of $-\infty$ goes wherever the
# key comes after the query. $e^{-\infty} = 0$, so the weight is zero, and the others still add up
# to 1. In torch, `masked_fill` makes a new tensor with a value wherever a bool tensor is True:

# %%
scores, hidden = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([False, False, True])
scores.masked_fill(hidden, float("-inf")).softmax(dim=0)

# %% [markdown]
# Who may see whom? For one pair that is one comparison. There is a catch, and it is the source of a whole family of
# bugs: when text is generated, the keys of earlier tokens lie in a *cache*, and the queries are the
# new tokens only. Query number 0 of a chunk is then not position 0:


# %%
def may_look(query, key, n_queries, n_keys):
    """Whether one query may see one key. The queries are the last n_queries of all positions."""
    position = n_keys - n_queries + query
    return key <= position


def naive_mask(n_queries, n_keys):
    return [[may_look(q, k, n_queries, n_keys) for k in range(n_keys)] for q in range(n_queries)]


for row in naive_mask(n_queries=3, n_keys=5):
    print(" ".join("●" if allowed else "·" for allowed in row))

# %% [markdown]
# Two tokens in the cache, three new ones. In the picture below a dark cell is a key that may be
# seen. Move both numbers. Then choose the two wrong rules: the
# triangle that starts in the corner, and the one whose diagonal is off by one.

# %%
RULES = {
    "the last positions": lambda q, k, new, total: k <= total - new + q,
    "from the corner": lambda q, k, new, total: k <= q,
    "before itself only": lambda q, k, new, total: k < total - new + q,
}


def draw_mask(cached, new, rule):
    total = cached + new
    square = torch.tensor(
        [[RULES[rule](q, k, new, total) for k in range(total)] for q in range(new)]
    )
    right = torch.tensor(naive_mask(new, total))
    figure, axes = figures.subplots(width=6.4, height=3.4)
    axes.imshow(square.numpy(), vmin=-0.4, vmax=1.3, cmap="Blues", aspect="equal")
    for q, k in (square != right).nonzero().tolist():
        axes.text(k, q, "✗", ha="center", va="center", color=figures.COLORS[1], fontsize=13)
    axes.hlines([q - 0.5 for q in range(1, new)], -0.5, total - 0.5, color="white")
    axes.vlines([k - 0.5 for k in range(1, total)], -0.5, new - 0.5, color="white")
    axes.axvline(cached - 0.5, color=figures.COLORS[1], lw=2.5)
    axes.set_xticks(range(total))
    axes.set_yticks(range(new), range(cached, total))
    axes.set(xlabel="key position (left of the line: cached)", ylabel="query position")
    axes.grid(False)
    sees = ", ".join(str(n) for n in square.sum(1).tolist())
    return figure, (
        f"Mask of {new} new queries over {total} keys, {cached} of them cached, by the rule “{rule}”. "
        f"The queries see {sees} keys; {(square != right).sum()} of {square.numel()} entries are wrong."
    )


Explorer(
    draw_mask,
    cached=widgets.IntSlider(4, min=0, max=10),
    new=widgets.IntSlider(3, min=1, max=6),
    rule=widgets.Dropdown(options=list(RULES), value="the last positions"),
)

# %% [markdown]
# With nothing cached, the first two rules agree. That is why the bug survives: training and
# every test on a whole sequence pass, and the first chunk after a cache goes wrong. With the third
# rule, the first token of a text sees nothing at all. A softmax over nothing is 0/0:

# %%
torch.full((4,), float("-inf")).softmax(dim=0)

# %% [markdown]
# torch itself offers both rules. Its own fused attention has a switch `is_causal=True`, which draws
# the triangle from the corner, whatever the number of keys. Give it the identity matrix for values,
# and its answer *is* its weights:

# %%
from llama_mini import attention

generator = torch.Generator().manual_seed(5)
q = torch.randn(1, 1, 3, 8, generator=generator)  # (batch, heads, n_queries, head_dim)
k = torch.randn(1, 1, 5, 8, generator=generator)  # (batch, heads, n_keys, head_dim)
identity = torch.eye(5)[None, None]

torch.set_printoptions(precision=2, sci_mode=False)
print("is_causal=True:\n", F.scaled_dot_product_attention(q, k, identity, is_causal=True)[0, 0])
mask = attention.causal_mask(3, 5)
print("our mask:\n", F.scaled_dot_product_attention(q, k, identity, attn_mask=mask)[0, 0])

# %% [markdown]
# And Meta's first release? It built a mask of new × new positions, with a diagonal shifted by the
# number of cached ones. That is right if nothing is cached, and for one new token, which needs no
# mask; its `generate` used no other case. For a chunk after a cache it has too few columns to fit the
# scores. Later code by Meta mended it.
#
# ## A softmax that does not overflow
#
# $e^{89}$ is already infinite in float32, and $e^{12}$ in float16. So no library takes the formula at
# its word. Subtract any number $m$ from all scores of a row, and nothing changes, because
# $e^{s-m} = e^s / e^m$ and the factor cancels. Take the row's **largest** score for $m$: then the
# largest power is $e^0 = 1$, and nothing overflows.

# %%
scores = torch.tensor([[500.0, 499.0, 480.0], [3.0, 2.0, 1.0]])


def weights_after_subtracting(m):
    parts = torch.exp(scores - m)
    return (parts / parts.sum(dim=-1, keepdim=True)).numpy().round(3).tolist()


print("nothing subtracted:          ", weights_after_subtracting(0.0))
print("largest of the whole tensor: ", weights_after_subtracting(scores.max()))
print("largest of each row:         ", weights_after_subtracting(scores.amax(-1, keepdim=True)))
print("torch's own softmax:         ", scores.softmax(dim=-1).numpy().round(3).tolist())

# %% [markdown]
# The middle line is a bug that hides: one common maximum is fine until some other row, head or text
# in the batch has much larger scores. Then this row is 0/0. `torch.softmax` takes the maximum of each
# row for you.
#
# **Why float32?** A softmax sums, and sums need room. Add up a thousand ones in bfloat16:

# %%
total = torch.tensor(0.0, dtype=torch.bfloat16)
for _ in range(1000):
    total += 1
total.item()

# %% [markdown]
# It sticks at 256: with 8 bits of precision, 257 cannot be written, and 256 + 1 rounds back. (torch's
# own `sum` and `softmax` add up in float32 inside and round once at the end; code that adds up in 16
# bits by itself does not.) Meta's code casts the scores to float32, takes the softmax, and casts the weights back. So do we.
#
# ## Several heads
#
# One softmax makes *one* average. A token may want two things at once: the subject of its verb, and
# the bracket that is still open. So the model splits its vector into *heads*. Each head attends by
# itself, and at the end a matrix `wo` mixes their answers. LLaMA's head has 128 dimensions in
# every size; 7B has 32 heads, 65B has 64.
#
# The split is one reshape, and there are two ways to read the numbers:
#
# | einops pattern | dimensions 0, 1, 2, 3, 4, 5 as 2 heads of 3 |
# |---|---|
# | `"(heads head_dim) -> heads head_dim"` | head 0 has 0 1 2, head 1 has 3 4 5 |
# | `"(head_dim heads) -> heads head_dim"` | head 0 has 0 2 4, head 1 has 1 3 5 |
#
# Meta's files are written the first way: each head is a *block*. A model trained from scratch would
# learn either. A model that loads Meta's weights and reads them the second way talks nonsense.
#
# In einops an axis that is taken apart stands in brackets, and you say how long one part is:

# %%
from einops import rearrange

rearrange(torch.arange(6), "(heads head_dim) -> heads head_dim", heads=2)

# %% [markdown]
# ## What the heads learned
#
# Now look into the model that you trained above: 2 layers of 4 heads. The text is
# `thequickbrownfx`, 15 different letters, said twice. Each row of the square is a query, each column
# a key, and brightness is weight. Change the layer and the head.

# %%
from llama_mini.visualization.attention import attention_weights, explore_attention


class Alphabet:
    """The puzzle's tokenizer: a is 0, z is 25."""

    def encode(self, text):
        return [ord(letter) - ord("a") for letter in text]

    def id_to_piece(self, number):
        return chr(ord("a") + number)


PIECE = "thequickbrownfx"
explore_attention(model, Alphabet(), 2 * PIECE)

# %% [markdown]
# Two patterns answer the puzzle together. Look for a line right beside the diagonal in layer 0: a
# *previous-token head*, which tells each letter what stood before it. And look for a line 14 keys
# left of the diagonal in layer 1, in the lower half: an *induction head*. It looks for a letter
# that came *after* the present one, which it can only know because layer 0 wrote that down. Measure
# both, in every head, over the second pass:

# %%
weights = attention_weights(model, torch.tensor(Alphabet().encode(2 * PIECE)))
n = len(PIECE)
second = torch.arange(n, 2 * n)
before = weights[:, :, second, second - 1].mean(-1)  # (layers, heads)
follower = weights[:, :, second, second - (n - 1)].mean(-1)  # (layers, heads)

print("layer  head   on the letter before   on what followed this letter last time")
for layer in range(2):
    for head in range(4):
        print(f"{layer:5}{head:6}{before[layer, head]:19.0%}{follower[layer, head]:30.0%}")

# %% [markdown]
# Large models have such heads, too (Olsson et al. 2022, arXiv 2209.11895), and lesson 18, still to come, looks for
# them. Yours were never told to look
# anywhere: they were the cheapest way to a lower loss.
#
# ## One layer, step by step
#
# Around the heads, the layer of LLaMA is short. From `x` of shape `(batch, seq, dim)`:
#
# 1. Three matrices without biases, `wq wk wv`, make queries, keys and values.
# 2. Each is split into heads: `(batch, seq, heads, head_dim)`.
# 3. Queries and keys are **rotated** by their positions, with your `apply_rotary_emb`. Values are not:
#    they are what is handed over, and a rotated value would be read differently at each distance.
# 4. If there is a cache, the new keys and values go into it, and *all* of them come back. Keys go in
#    rotated, so each keeps the angle of its own position and is never rotated again.
# 5. Key and value heads are repeated, if there are fewer of them (next section).
# 6. Heads move before positions, `(batch, heads, seq, head_dim)`, and attention runs for each.
# 7. The heads of each position are joined again, and `wo` mixes them: `(batch, seq, dim)`.
#
# Step 4 is worth a look. Feed twelve tokens at once, or in three chunks with a cache: the logits must
# agree, and the order of step 3 and 4 with the offset of the mask is what makes them.

# %%
from llama_mini import KVCache

tokens = torch.tensor([Alphabet().encode("thequickbrow")])
cache = KVCache(model.config, batch_size=1, max_seq_len=32)
with torch.no_grad():
    whole = model(tokens)
    in_chunks = torch.cat([model(chunk, cache) for chunk in tokens.split([5, 1, 6], dim=1)], dim=1)
print(f"largest difference of the logits: {(whole - in_chunks).abs().max():.1e}")

# %% [markdown]
# ## Fewer keys than queries: grouped heads
#
# Queries are used once and forgotten. Keys and values stay in memory for as long as the text lasts.
# So several query heads can *share* one key head and one value head (grouped-query attention,
# Ainslie et al. 2023, arXiv 2305.13245). LLaMA 1 does not: each query head has its own. But the small
# pre-trained model that lesson 14 loads has 9 query heads and 3 key/value heads, so your layer will
# be able to do both.
#
# Neighbours share: with 6 query heads and 3 key heads, query heads 0 and 1 use key head 0. The
# other order, head modulo 3, also runs without an error, and pairs every head with a stranger:

# %%
key_heads, n_rep = ["A", "B", "C"], 2
print("right:", [key_heads[h // n_rep] for h in range(6)])
print("wrong:", [key_heads[h % len(key_heads)] for h in range(6)])

# %% [markdown]
# ## What breaks if you get it wrong
#
# Take the trained model and change one thing in its attention, keeping all weights. The bars show the
# loss after the first pass; the dashed line is chance.

# %%
from unittest import mock

from llama_mini import rope

right = attention.scaled_dot_product_attention


def one_further(mask):
    return mask | mask.roll(1, dims=-1).triu()


MISTAKES = {
    "nothing wrong": lambda q, k, v, mask: right(q, k, v, mask),
    "√ of the model's width": lambda q, k, v, mask: right(q / 4**0.5, k, v, mask),
    "head_dim, without its √": lambda q, k, v, mask: right(q / 16**0.5, k, v, mask),
    "not divided at all": lambda q, k, v, mask: right(q * 16**0.5, k, v, mask),
    "one key into the future": lambda q, k, v, mask: right(q, k, v, one_further(mask)),
    "no mask": lambda q, k, v, mask: right(q, k, v, None),
}
letters, period = puzzles(64, torch.Generator().manual_seed(9))
counted = after_the_first_pass(period)

loss_with = {}
with torch.no_grad():
    for name, wrong in MISTAKES.items():
        with mock.patch.object(attention, "scaled_dot_product_attention", wrong):
            loss_with[name] = nats(model, letters)[counted].mean().item()
    with mock.patch.object(rope, "apply_rotary_emb", lambda x, table: x):
        loss_with["nothing rotated"] = nats(model, letters)[counted].mean().item()

figure, axes = figures.subplots(height=3.2)
bars = axes.barh(list(loss_with), list(loss_with.values()), color=figures.COLORS[0])
axes.bar_label(bars, [f"{loss:.2f}" for loss in loss_with.values()], padding=3)
axes.axvline(math.log(25), color=figures.COLORS[1], ls="--")
axes.invert_yaxis()
axes.set_xlabel("loss after the first pass (nats)")
figures.show(
    figure,
    alt="Loss of the trained model with one mistake in its attention: "
    + ", ".join(f"{name} {loss:.2f}" for name, loss in loss_with.items())
    + ". Chance is 3.22.",
)

# %% [markdown]
# Note the small bars. Two of the three wrong divisors make no noise: the model still works, only
# worse. Dividing by the whole of head_dim nearly blinds it. Had you trained with one of them, the
# weights could have made up for it, and you might never have asked.
#
# **The mistake that looks like success.** Train a fresh model with a mask that lets each position see
# one token too far, and watch its loss on the *first* pass, where nobody can know the next letter:

# %%
leaky = small_model()
generator = torch.Generator().manual_seed(1)
optimizer = torch.optim.AdamW(leaky.parameters(), lr=5e-3)
with mock.patch.object(
    attention, "scaled_dot_product_attention", MISTAKES["one key into the future"]
):
    for _ in tqdm(range(120), desc="with a leak", leave=False):
        letters, period = puzzles(32, generator)
        loss = nats(leaky, letters).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    leaked = nats(leaky, letters)[~after_the_first_pass(period)].mean().item()
honest = nats(leaky, letters)[~after_the_first_pass(period)].mean().item()
print(f"first pass, with the leak:    {leaked:.2f} nats")
print(f"first pass, with a right mask: {honest:.2f} nats")

# %% [markdown]
# A loss below what is possible is the mark of a leak. Never celebrate one before you have looked at
# the mask.
#
# ## The same as torch's own
#
# The package's function, against the one that torch has built in, with a mask and in two types:

# %%
generator = torch.Generator().manual_seed(6)
for dtype in (torch.float32, torch.bfloat16):
    q = torch.randn(2, 4, 5, 16, generator=generator).to(dtype)
    k, v = torch.randn(2, 2, 4, 9, 16, generator=generator).to(dtype).unbind()
    mask = attention.causal_mask(5, 9)
    ours = attention.scaled_dot_product_attention(q, k, v, mask)
    torchs = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    print(f"{dtype}: largest difference {(ours - torchs).abs().max().item():.1e}")

# %% [markdown]
# They agree to the rounding of the type. On a GPU torch's version has kernels that never write the
# square of weights to memory (FlashAttention, Dao et al. 2022, arXiv 2205.14135); what it computes is
# the same.
#
# ## What it costs
#
# Count a multiplication and an addition as 2 FLOPs. For a text of $n$ tokens, one attention layer of
# width $d$ costs
#
# - $8\,n\,d^2$ in its four matrices: it grows with $n$;
# - $4\,n^2 d$ in $QK^\top$ and in the average of the values: it grows with $n^2$.
#
# Do not take it on trust. torch can count. On the *meta* device tensors have shapes and no numbers, so
# a layer of 7B at full length takes no memory:

# %%
from torch.utils.flop_counter import FlopCounterMode

from llama_mini import CONFIGS


def counted_flops(config, n):
    with torch.device("meta"):
        layer = attention.Attention(config)
        x, mask = torch.empty(1, n, config.dim), torch.empty(n, n, dtype=torch.bool)
        table = torch.empty(n, config.head_dim // 2, dtype=torch.complex64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(x, table, mask)
    return counter.get_total_flops()


config = CONFIGS["7B"]
for n in (512, 2048, 8192):
    formula = 8 * n * config.dim**2 + 4 * n**2 * config.dim
    print(f"{n:5} tokens: counted {counted_flops(config, n):,}, by formula {formula:,}")

# %% [markdown]
# Memory has two parts. The *scores* are a square for each head: $2 \cdot \mathrm{heads} \cdot n^2$
# bytes in 16 bits, needed for a moment. The *cache* holds a key and a value for each token and layer,
# $4 \cdot \mathrm{layers} \cdot n \cdot d$ bytes, for as long as the text lasts. Move the length, and
# change the model:

# %%
from llama_mini import feedforward

lengths = torch.logspace(7, 17, 11, base=2, dtype=torch.float64)


def costs(name, n):
    """FLOPs of one block for each token, and bytes in 16 bits for one text."""
    config = CONFIGS[name]
    hidden = feedforward.hidden_dim(config.dim)
    return {
        "matrices of attention": 8 * config.dim**2 + 0 * n,
        "feed-forward": 6 * config.dim * hidden + 0 * n,
        "scores and average": 4 * n * config.dim,
        "scores, one layer": 2 * config.n_heads * n**2,
        "cache, all layers": 4 * config.n_layers * n * config.dim,
    }


def draw_costs(model, tokens):
    curves, here = costs(model, lengths), costs(model, float(tokens))
    figure, panels = figures.subplots(columns=2, width=9.0, height=3.5)
    names = list(curves)
    for panel, shown in zip(panels, (names[:3], names[3:]), strict=True):
        for name, color in zip(shown, figures.COLORS, strict=False):
            scale = 1e6 if panel is panels[0] else 2**30
            panel.loglog(lengths.numpy(), curves[name].numpy() / scale, color=color, label=name)
            panel.plot(tokens, here[name] / scale, "o", color=color)
        panel.axvline(tokens, color="0.6", lw=1)
        panel.minorticks_off()
        panel.set_xticks([128, 1024, 8192, 65536], ["128", "1,024", "8,192", "65,536"])
        panel.yaxis.set_major_formatter("{x:g}")
        panel.set_xlabel("tokens")
        panel.legend(fontsize=9)
    panels[0].set_ylabel("MFLOPs per token, one block")
    panels[1].set_ylabel("GiB for one text")
    share = here["scores and average"] / sum(here[name] for name in names[:3])
    return figure, (
        f"Costs of {model} at {tokens:,} tokens. Scores and average take {share:.1%} of a block's "
        f"FLOPs; the scores of one layer {here['scores, one layer'] / 2**30:.3g} GiB, the cache of "
        f"all layers {here['cache, all layers'] / 2**30:.3g} GiB."
    )


Explorer(
    draw_costs,
    model=widgets.Dropdown(options=["7B", "13B", "33B", "65B"]),
    tokens=widgets.SelectionSlider(options=[2**i for i in range(7, 18)], value=2048),
)

# %% [markdown]
# Everybody knows that attention is quadratic. At LLaMA's length of 2048 the quadratic part is small
# change; in 7B it overtakes all else at $2\,d + \tfrac{3}{2}\,\mathrm{hidden} = 24{,}704$ tokens.
# Scores come and go. The cache stays, and grows with every token and every text.
#
# ## Meta's own number, reproduced
#
# Meta's FAQ gives the cache for 7B, 32 texts and 1024 tokens: 17 GB. And here are all four sizes at
# 2048 tokens, one text, in 16 bits. The last column says how many such texts it takes until their
# caches outweigh the weights:

# %%
from llama_mini.model import parameter_count

faq = 32 * costs("7B", 1024)["cache, all layers"]
print(f"7B, 32 texts of 1024 tokens: {faq / 1e9:.1f} GB\n")

print("at 2048   quadratic share   scores, one layer   cache       weights   texts")
for name in ("7B", "13B", "33B", "65B"):
    cost = costs(name, 2048)
    share = cost["scores and average"] / sum(list(cost.values())[:3])
    scores, cached = cost["scores, one layer"] / 2**20, cost["cache, all layers"] / 2**30
    weights = 2 * parameter_count(CONFIGS[name]) / 2**30
    texts = int(weights // cached) + 1
    print(f"{name:5}{share:19.1%}{scores:16.0f} MiB{cached:8.2f} GiB{weights:10.1f} GiB{texts:8}")

# %% [markdown]
# The larger the model, the smaller the quadratic share: it grows with $d$, the matrices with $d^2$.
# So what fills a GPU first are the weights. For one text of 2,048 tokens the cache is small beside
# them; from 13 such texts on, 7B's caches are the larger part (lesson 08 counts on). Grouped heads
# would shrink the cache, by the size of the group; the scores would stay.
#
# ## In three lines
#
# - Each query is compared with all keys up to its own position; the softmax of the scores, divided
#   by √head_dim, weighs the values.
# - The queries are the *last* positions: masks are offset, keys are rotated before they are cached,
#   values never are.
# - At 2048 tokens the quadratic part is cheap. What each further text costs in memory is its cache.

# %% [markdown] tags=["exercise-text"]
# ## causal_mask
#
# Write `causal_mask(n_queries, n_keys)`: a bool tensor of shape `(n_queries, n_keys)` that is True
# where a query may look at a key.
#
# - The keys are positions 0 to `n_keys - 1`. The queries are the **last** `n_queries` of them.
# - A query may look at its own position and at all before it.
# - `causal_mask(2, 4)` is `[[True, True, True, False], [True, True, True, True]]`.
#
# The naive version of the lesson is right and slow; find one without loops. You may assume
# `n_queries <= n_keys`; the package refuses anything else, but that check is not graded.

# %% tags=["exercise"] symbol="llama_mini.attention:causal_mask" part="The mask: nobody sees the future"

# %% [markdown] tags=["exercise-text"]
# ## scaled_dot_product_attention
#
# Write `scaled_dot_product_attention(q, k, v, mask=None)`:
#
# $$\mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d}}\right) V$$
#
# - `q` is `(batch, heads, n_queries, head_dim)`; `k` and `v` are `(batch, heads, n_keys, head_dim)`.
#   There may be fewer queries than keys.
# - $d$ is `head_dim`. The softmax runs over the keys of each query, and is taken in float32
#   whatever the type of `q`; the result has the type of `q`. Scores of several hundred are no reason
#   for nan.
# - `mask` is None, or bool `(n_queries, n_keys)`: True where a query may look. A key that may not be
#   seen gets a weight of exactly zero, and the others still add up to 1. Use −∞: a "very
#   negative number" such as −10⁹ does not exist in float16.
# - Leave `q`, `k`, `v` and `mask` as they were, and make new tensors on the device of `q`
#   (`torch.zeros_like(q)`, or `device=q.device`).
#
# The import of `_demand_fit` brings the package's own look at the shapes; use it or leave it out.
# torch's own function of that name would pass, but it is the answer.

# %% tags=["exercise"] symbol="llama_mini.attention:scaled_dot_product_attention" part="A softmax that does not overflow"

# %% [markdown] tags=["exercise-text"]
# ## repeat_kv
#
# Write `repeat_kv(x, n_rep)`, which gives every key or value head to `n_rep` query heads in a row:
# `x` is `(batch, seq, kv_heads, head_dim)`, the result `(batch, seq, kv_heads * n_rep, head_dim)`.
#
# Head `h` of the result is head `h // n_rep` of `x`. With `n_rep = 1` nothing changes.

# %% tags=["exercise"] symbol="llama_mini.attention:repeat_kv" part="Fewer keys than queries: grouped heads"

# %% [markdown] tags=["exercise-text"]
# ## Attention
#
# Write the class `Attention(config)`, a `torch.nn.Module`; the section *One layer, step by step* is
# its plan.
#
# - From `config` you need `dim`, `n_heads`, `kv_heads` (key and value heads; fewer than `n_heads` if
#   they are shared) and `head_dim`.
# - Four `nn.Linear` without biases, called `wq wk wv wo` as in Meta's files. `wq` has `n_heads`
#   heads to fill, `wk` and `wv` have `kv_heads`. The layers start as torch makes them.
# - `forward(x, table, mask=None, cache=None)`: `x` is `(batch, seq, dim)`, and so is the result.
# - `table` `(seq, head_dim / 2)` holds the rotations of just these positions:
#   `rope.apply_rotary_emb(q, table)` takes `(batch, seq, heads, head_dim)`.
# - `mask` goes to the attention function as it is. None means that every key may be seen.
# - `cache`, if not None, is this layer's. `cache.update(k, v)` takes the new keys and values,
#   `(batch, seq, kv_heads, head_dim)`, and returns all so far, `(batch, n_keys, kv_heads, head_dim)`.
# - Each head is a block of `head_dim` neighbouring dimensions, `(heads head_dim)`, both when you
#   split and when you join.
#
# `attention.scaled_dot_product_attention` and `attention.repeat_kv`, with `n_rep` equal to
# `n_heads // kv_heads`, are yours to use; once the overlay is applied, they are the ones you wrote.

# %% tags=["exercise"] symbol="llama_mini.attention:Attention" part="One layer, step by step"

# %% [markdown]
# ## What comes next
#
# First the exercises above. Then [06 · SwiGLU](06_swiglu.ipynb): the other half of a layer, where most of the parameters are.
