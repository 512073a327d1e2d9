"""The symbols of the lessons on data, lessons 9 and 10."""

SLOTS = tuple(
    f"llama_mini.data.{home}:{symbol}"
    for home, symbols in {
        "ccnet.extraction": ["decode_page"],
        "ccnet.dedup": ["normalize_paragraph", "paragraph_key", "without_repeated_paragraphs"],
        "ccnet.ngram": ["kneser_ney", "perplexity"],
        "ccnet.buckets": ["head_middle_tail"],
        "ccnet.quality": ["hashed_ngrams", "train_classifier"],
        "ccnet.near_duplicates": ["minhash", "jaccard_estimate"],
        "c4": ["keeps_line", "clean_page"],
        "code": ["rejection"],
        "latex": ["expand_macros", "strip_comments"],
        "threads": ["thread_text"],
        "mixing.shares": ["tokens_per_source", "epochs_for_shares"],
        "mixing.split": ["choose_groups"],
        "mixing.packing": ["pack_documents", "document_mask"],
    }.items()
    for symbol in symbols
)
# Training calls it, in a setting of its own.
CALLED_ELSEWHERE = ("llama_mini.data.mixing.packing:document_mask",)
