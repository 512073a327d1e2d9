# %% [markdown]
# # 13 · Capstone: a model of your own
#
# **8 minutes, of which 5 are training · 2 GB of memory · comes after 00–08; runs at any time**
#
# > *Can the pieces you wrote, put together and shown some million tokens of text, learn English?*
#
# In this notebook you build the data mix, train a LLaMA on it, watch its loss fall, let it write, and
# look at what it attends to. It runs on **your** code wherever you have passed an exercise, and on
# ours elsewhere. Nothing here is a demonstration: the same functions read Meta's weights in
# lesson 14.

# %%
from llama_mini.course import check, hint, overlay, progress, solution

# %% [markdown]
# ## Whose code runs
#
# Every answer of yours that passed its check takes its place in the package. This must come before
# a model is built, because a model keeps the layers it was built from.

# %%
overlay.apply()

# %% [markdown]
# ## The data
#
# LLaMA was trained on seven public sources. Here are seven small stand-ins, in the proportions of the
# paper. The first time, this cell fetches them (each file checked against its hash), cleans and
# deduplicates them, trains a tokenizer and packs the tokens; that takes some minutes. From then on it
# finds them ready, and needs no network.

# %%
from llama_mini.data.build import build_mix
from llama_mini.data.sources import load_table

pinned = load_table().files
print(
    f"{len(pinned)} files, {sum(file.size for file in pinned) / 1e6:.1f} MB to fetch the first time\n"
)
mix = build_mix()
print(mix)

# %% [markdown]
# The proportions are the paper's; the sources are not. "CommonCrawl" here is some pages of the web,
# some of software manuals, and mostly news articles: the documents in the first row, and not five
# dumps of the web. "StackExchange" is questions and answers from software documentation. What each
# stands in for, and what it is not:

# %%
for source in load_table().sources:
    print(f"{source.title}: {source.stand_in}\n    but: {source.caveat}")

# %% [markdown]
# How often is a source read? Its share of the tokens, divided by what there is of it: the column
# *epochs*. The paper's mix read Wikipedia 2.45 times. Ours holds a lot of Wikipedia for its share:

# %%
for row in sorted(mix.rows, key=lambda row: row.epochs):
    once = row.tokens / row.epochs
    print(f"{row.source:14} {row.tokens:9,} tokens of {once:9,.0f}: {row.epochs:.2f} times")

# %% [markdown]
# A model never sees text, only numbers. This is how the validation data begin, in both:

# %%
from llama_mini.data.shards import TokenShards, default_folder
from llama_mini.tokenizer.sentencepiece import Tokenizer

tokenizer = Tokenizer(default_folder() / "tokenizer.model")
validation = TokenShards(default_folder(), "validation")
first = validation.read(0, 60).tolist()

print(first)
print()
print(" ".join(tokenizer.id_to_piece(i) for i in first))

# %% [markdown]
# ## The model
#
# A LLaMA of a few million parameters. It has everything that the large ones have; only the numbers
# in its configuration are smaller. The context is 256 tokens where theirs is 2,048.

# %%
from llama_mini import CONFIGS
from llama_mini.model import parameter_count

mini, seven = CONFIGS["mini"], CONFIGS["7B"]
print(mini)
print(
    f"\n{parameter_count(mini):,} parameters; 7B has {parameter_count(seven) / parameter_count(mini):,.0f} times as many"
)

# %% [markdown]
# ## Training
#
# AdamW with LLaMA's settings (β 0.9 and 0.95, weight decay 0.1, gradients clipped to 1), a warm-up,
# then a cosine down to a tenth of the peak. The first updates measure how fast your machine is, and
# fix the number of updates so that the schedule ends with the time.
#
# The dashed line is the bar to clear: a *smoothed bigram*, the best guess that looks only at the last
# token. A model below it has learned to use more of the text than that.
#
# You may stop at any time with ■ in the toolbar; what is trained so far is saved.

# %%
import os

from llama_mini.training import TrainSettings, Trainer
from llama_mini.visualization.explore import LiveFigure
from llama_mini.visualization.training import draw_loss

# The tests of this course run the notebook with a shorter training.
MINUTES = 0.4 if os.environ.get("LLAMA_MINI_QUICK") else 5.0

trainer = Trainer(TrainSettings(config="mini", minutes=MINUTES))
bigram = trainer.bigram_loss()
training, looks = [], []
draw = LiveFigure(lambda: draw_loss(training, looks, {"smoothed bigram": bigram}))

try:
    for update in trainer.steps():
        training.append((update.step, update.loss))
        if update.validation_loss is not None:
            looks.append((update.step, update.validation_loss))
        draw()
except KeyboardInterrupt:
    print(f"Stopped after {trainer.step} updates; saved.")
draw(now=True)

# %% [markdown]
# A new model starts at a loss near ln(4096) = 8.32 nats: it finds every token equally likely. The
# first steep fall is learning which tokens are common, the next which follow which.

# %%
import math

from llama_mini.training import summarize

summary = summarize(trainer)
print(
    f"{summary.tokens:,} tokens in {summary.steps:,} updates, {summary.tokens_per_second:,.0f} tokens a second"
)
print(f"a guess without knowledge  {math.log(mini.vocab_size):.3f} nats per token")
print(f"smoothed bigram            {summary.bigram_loss:.3f}")
print(
    f"your model                 {summary.validation_loss:.3f}   on the same {summary.validation_tokens:,} tokens"
)
print(
    f"it hesitates as if between {math.exp(summary.validation_loss):.0f} equally likely tokens; the bigram, {math.exp(summary.bigram_loss):.0f}"
)

# %% [markdown]
# How far is this from LLaMA? Training costs about 6 floating-point operations for each parameter and
# token. At the speed you have just measured, this is how long 7B would take here:

# %%
operations = 6 * parameter_count(mini) * summary.tokens
years = 6 * parameter_count(seven) * 1.0e12 / (operations / summary.seconds) / (365 * 24 * 3600)
print(
    f"{operations / summary.seconds / 1e9:,.0f} GFLOP/s here; LLaMA-7B would take {years:,.0f} years"
)

# %% [markdown]
# Meta needed 82,432 GPU-hours.
#
# ## Let it write
#
# The model gives a probability to every token; a draw decides. At temperature 0 the likeliest always
# wins, and small models run in circles. Higher temperatures are livelier and wilder.

# %%
from llama_mini.text.sample import stream_text

for temperature in (0.0, 0.7, 1.0):
    print(f"--- temperature {temperature}")
    print(
        "".join(stream_text(trainer.model, tokenizer, "The city was", 60, temperature=temperature))
    )
    print()

# %% [markdown]
# Word-like, sentence-like, and without sense: that is what minutes on a laptop buy. Change the prompt
# and run the cell again. From a terminal, `llama-mini generate "The city was"` does the same.
#
# ## Where it looks
#
# Each head of each layer is a square. A row is a token that asks, a column one that is asked; bright
# means that it listens. The upper right is dark in all of them: nobody sees the future. Focus a
# slider and press the arrow keys.

# %%
from llama_mini.visualization.attention import explore_attention

explore_attention(
    trainer.model,
    tokenizer,
    "The city was built on the river, and the river gave the city its name.",
)

# %% [markdown]
# Look for three kinds: a bright *first column* (a head with nothing to say looks at the start), a
# bright line *just below the diagonal* (the token before), and *islands* where the same word stood
# earlier, as "river" and "city" do here. After minutes of training the first two are common and the
# third is rare. Lesson 18, still to come, goes looking for it.
#
# ## Whose code ran

# %%
print(f"the data were made on   {summary.mix_code}")
print(f"the model was made on   {summary.code}")
overlay.status()

# %% [markdown]
# Every line that says *your code* was yours, in training, in writing and in these pictures. Solve more
# exercises, restart the kernel, and run this notebook again.
#
# ## In three lines
#
# - Seven sources, one tokenizer, one loop: the recipe of LLaMA fits on a laptop, its scale does not.
# - A loss means something beside a baseline on the same tokens.
# - The model is the sum of its symbols, and each of them can be yours.

# %% [markdown]
# ## What comes next
#
# [14 · Loading the full weights](14_loading.ipynb): the same code, with the weights of LLaMA itself.
