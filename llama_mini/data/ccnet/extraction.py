"""From the bytes of a web page to the text a reader came for."""

import re
from collections.abc import Callable

META_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)", re.IGNORECASE)


def decode_page(page: bytes, guess: Callable[[bytes], str] | None = None) -> str:
    """The characters of a web page: as UTF-8 if it is valid, else as it declares, else by a guess.

    page: the bytes of an HTML page. If they are valid UTF-8, that is what they are, whatever the
    page says of itself. Else the first match of `META_CHARSET` in the first 4,096 bytes names the
    encoding (group 1). If there is none, if Python knows no encoding of that name, or if the bytes
    are not valid in it, guess(page) gives the text; it is not called otherwise. Without a guess
    they are read as Windows-1252, as browsers do, and what is not valid there becomes U+FFFD.

    Detection comes last, for it often takes valid UTF-8 for Latin-1.
    """
    try:
        return page.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if declared := META_CHARSET.search(page[:4096]):
        try:
            return page.decode(declared.group(1).decode("ascii"))
        except (LookupError, UnicodeError):
            pass
    return page.decode("cp1252", errors="replace") if guess is None else guess(page)


def detected(page: bytes) -> str:
    """The characters of a page in the encoding that Resiliparse detects."""
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    return bytes_to_str(page, detect_encoding(page))


def extract_text(page: bytes) -> str:
    """The main text of an HTML page, its blocks separated by blank lines.

    Resiliparse does it. On 300 of our pages it took 0.3 s where trafilatura took 5.7 to 7.6 s, and
    where a page holds nothing but menus it returned a line or two where trafilatura, which falls
    back to less strict rules, returned the menus.
    """
    from resiliparse.extract.html2text import extract_plain_text

    return extract_plain_text(
        decode_page(page, detected),
        main_content=True,
        alt_texts=False,
        links=False,
        list_bullets=True,
    )
