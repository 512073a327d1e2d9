"""The symbols of data and training that a learner can write: small, public, and replaceable.

They keep these names. Whoever runs them reaches each through its home, as it does an exercise.
"""

# By home, below `llama_mini`.
LEAVES = {
    "data.ccnet.extraction": "decode_page",
    "data.ccnet.dedup": "normalize_paragraph paragraph_key without_repeated_paragraphs",
    "data.ccnet.ngram": "kneser_ney perplexity",
    "data.ccnet.buckets": "head_middle_tail",
    "data.ccnet.quality": "hashed_ngrams train_classifier",
    "data.ccnet.near_duplicates": "minhash jaccard_estimate",
    "data.c4": "keeps_line clean_page",
    "data.code": "rejection",
    "data.latex": "expand_macros strip_comments",
    "data.threads": "thread_text",
    "data.mixing.shares": "tokens_per_source epochs_for_shares",
    "data.mixing.split": "choose_groups",
    "data.mixing.packing": "pack_documents document_mask",
    "training.recipe.loss": "next_token_loss",
    "training.recipe.optimizer": "adamw_update parameter_groups",
    "training.recipe.schedule": "learning_rate",
    "training.recipe.clipping": "clip_gradients",
    "training.recipe.batches": "window_starts",
    "training.recipe.step": "accumulate",
    "training.scale.flops": "flops_per_token mfu",
    "training.scale.ranks": "windows_of_rank",
    "training.scale.reduce": "average_gradients global_norm",
    "training.scale.shard": "shard unshard",
    "training.scale.precision": "update_loss_scale",
    "evaluation.held_out": "bits_per_byte",
}
