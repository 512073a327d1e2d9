"""Text out of a model: a continuation or a conversation, in pieces as they are drawn."""
