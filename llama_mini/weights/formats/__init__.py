"""The layouts that weights come in, a folder each, and what their readers share."""
