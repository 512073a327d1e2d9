"""Questions and answers, as StackExchange's threads become documents."""

from collections.abc import Iterable


def thread_text(question: str, answers: Iterable[tuple[float, str]]) -> str:
    """A thread as one text: the question, then its answers, the one with the highest score first.

    answers: (score, text) in any order. Scores may be negative; answers with the same score keep
    their order. A blank line stands between question and answers and between two answers; nothing
    else is added, removed or stripped, and the scores are not written. Without answers the text is
    the question alone.

    Source: LLaMA, arXiv 2302.13971, §2.1: "we … sorted the answers by score (from highest to
    lowest)".
    """
    # reverse=True keeps the order of equal scores; turning the sorted list around would not.
    ranked = sorted(answers, key=lambda answer: answer[0], reverse=True)
    return "\n\n".join([question, *(text for _, text in ranked)])
