"""The symbols of data and training that a learner can write: small, public, and replaceable.

They keep these names and parameters. Whoever runs them reaches each through its home, as it does an
exercise.
"""

# By home, below `llama_mini`.
LEAVES = {
    "data.ccnet.extraction": ["decode_page(page, guess=None)"],
    "data.ccnet.dedup": [
        "normalize_paragraph(paragraph)",
        "paragraph_key(paragraph)",
        "without_repeated_paragraphs(documents, seen)",
    ],
    "data.ccnet.ngram": ["kneser_ney(counts, discount)", "perplexity(log10_score, n_tokens)"],
    "data.ccnet.buckets": ["head_middle_tail(perplexity, cutoffs)"],
    "data.ccnet.quality": [
        "hashed_ngrams(text, n_buckets)",
        "train_classifier(features, labels, penalty=0.001, tolerance=1e-05, max_steps=5000)",
    ],
    "data.ccnet.near_duplicates": ["minhash(shingles, n_hashes, seed)", "jaccard_estimate(a, b)"],
    "data.c4": ["keeps_line(line)", "clean_page(text, bad_words)"],
    "data.code": ["rejection(code)"],
    "data.latex": ["expand_macros(source)", "strip_comments(source)"],
    "data.threads": ["thread_text(question, answers)"],
    "data.mixing.shares": [
        "tokens_per_source(shares, total)",
        "epochs_for_shares(available, shares, total)",
    ],
    "data.mixing.split": ["choose_groups(group_sizes, wanted, order)"],
    "data.mixing.packing": ["pack_documents(documents, bos, eos)", "document_mask(starts, seq)"],
    "training.recipe.loss": ["next_token_loss(logits, targets)"],
    "training.recipe.optimizer": [
        "adamw_update(parameter, gradient, m, v, step, lr, betas, eps, weight_decay)",
        "parameter_groups(model, weight_decay)",
    ],
    "training.recipe.schedule": [
        "learning_rate(step, peak, warmup_steps, total_steps, final_fraction=0.1)"
    ],
    "training.recipe.clipping": ["clip_gradients(gradients, max_norm)"],
    "training.recipe.batches": ["window_starts(epoch, n_windows, seq_len, seed)"],
    "training.recipe.step": ["accumulate(model, micro_batches)"],
    "training.scale.flops": [
        "flops_per_token(config, seq_len)",
        "mfu(tokens_per_second, flops_per_token, peak_flops, n_devices=1)",
    ],
    "training.scale.ranks": ["windows_of_rank(step, batch_size, rank, world_size)"],
    "training.scale.reduce": [
        "average_gradients(parameters, all_reduce, world_size)",
        "global_norm(local_gradients, all_reduce)",
    ],
    "training.scale.shard": ["shard(tensor, rank, world_size)", "unshard(pieces, shape)"],
    "training.scale.precision": [
        "update_loss_scale(scale, found_inf, good_steps, growth_every=2000)"
    ],
    "evaluation.held_out": ["bits_per_byte(nats_per_token, n_tokens, n_bytes)"],
}
SLOTS = tuple(
    f"llama_mini.{home}:{signature.partition('(')[0]}"
    for home, signatures in LEAVES.items()
    for signature in signatures
)
