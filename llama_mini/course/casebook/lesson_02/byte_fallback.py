"""byte_fallback: the pieces of a character that has no piece of its own."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args


def _pieces(expression: str) -> str:
    return f"def byte_fallback(character):\n    return {expression}\n"


def _several(answer, *characters):
    return [answer(character) for character in characters]


EXERCISE = Exercise(
    symbol="llama_mini.tokenizer.bpe:byte_fallback",
    lesson=2,
    minutes=5,
    difficulty=1,
    cases=(
        Case("é, two bytes", given=args("é")),
        Case("a letter of ASCII", given=args("k")),
        Case(
            "line break, tab and the first of all characters",
            given=args("\n", "\t", "\0"),
            use=_several,
        ),
        Case("祝, three bytes", given=args("祝")),
        Case("the llama, four bytes", given=args("🦙")),
        Case(
            "the ends of each length",
            given=args("\x7f", "\x80", "\u07ff", "\u0800", "\U00010000"),
            use=_several,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "small letters",
            "The hexadecimal digits are small letters, and the vocabulary has capitals: `<0xC3>`. "
            "The format `X` writes them, `x` does not.",
            _pieces('[f"<0x{byte:02x}>" for byte in character.encode()]'),
        ),
        WrongAnswer(
            "a single digit",
            "A byte below 16 has one digit only, as in `<0xA>`. Every byte piece has two: "
            "`<0x0A>`, format `02X`.",
            _pieces('[f"<0x{byte:X}>" for byte in character.encode()]'),
        ),
        WrongAnswer(
            "padded with spaces",
            "A byte below 16 is filled up with a space. Fill with a zero: format `02X`, not `2X`.",
            _pieces('[f"<0x{byte:2X}>" for byte in character.encode()]'),
        ),
        WrongAnswer(
            "the code point",
            "`ord` gives the character's number in Unicode, and that is not how it is stored. "
            "UTF-8 gives one to four bytes: `character.encode()`, one piece for each.",
            _pieces('[f"<0x{ord(character):02X}>"]'),
        ),
        WrongAnswer(
            "the bytes of the code point",
            "You cut the character's number into bytes. UTF-8 does more: it marks in each byte "
            "how long the character is. `character.encode()` gives those bytes.",
            _pieces(
                '[f"<0x{byte:02X}>" for byte in ord(character).to_bytes(max(1, '
                '(ord(character).bit_length() + 7) // 8), "big")]'
            ),
        ),
        WrongAnswer(
            "Latin-1",
            "Latin-1 knows 256 characters and fails for all others. The bytes are those of UTF-8.",
            _pieces('[f"<0x{byte:02X}>" for byte in character.encode("latin-1")]'),
        ),
        WrongAnswer(
            "UTF-16",
            "These are the bytes of UTF-16, at least two for every character. The bytes are those "
            "of UTF-8.",
            _pieces('[f"<0x{byte:02X}>" for byte in character.encode("utf-16-be")]'),
            also=(
                _pieces('[f"<0x{byte:02X}>" for byte in character.encode("utf-16-le")]'),
                _pieces('[f"<0x{byte:02X}>" for byte in character.encode("utf-16")]'),
            ),
        ),
        WrongAnswer(
            "one string",
            "All pieces are in one string. Return a list with one piece for each byte.",
            _pieces('"".join(f"<0x{byte:02X}>" for byte in character.encode())'),
        ),
        WrongAnswer(
            "numbers, not pieces",
            "You return the bytes as numbers. A piece is a string: `<0xC3>` for the byte 195.",
            _pieces("list(character.encode())"),
        ),
        WrongAnswer(
            "decimal digits",
            "The number after `0x` is decimal, so 195 stands where C3 should. Format `02X` writes "
            "hexadecimal digits.",
            _pieces('[f"<0x{byte}>" for byte in character.encode()]'),
            also=(_pieces('[f"<0x{byte:02d}>" for byte in character.encode()]'),),
        ),
        WrongAnswer(
            "without the brackets",
            "The angle brackets are part of the piece's name: `<0xC3>`, not `0xC3`.",
            _pieces('[f"0x{byte:02X}" for byte in character.encode()]'),
        ),
        WrongAnswer(
            "without 0x",
            "`0x` is part of the piece's name: `<0xC3>`, not `<C3>`.",
            _pieces('[f"<{byte:02X}>" for byte in character.encode()]'),
        ),
        WrongAnswer(
            "ASCII left as it is",
            "You return characters of ASCII unchanged. Whoever calls this function already knows "
            "that the character has no piece: a line break becomes `<0x0A>`.",
            "def byte_fallback(character):\n    if character.isascii():\n"
            "        return [character]\n"
            '    return [f"<0x{byte:02X}>" for byte in character.encode()]\n',
        ),
        WrongAnswer(
            "bytes in the wrong order",
            "The last byte comes first. Keep the order in which UTF-8 has them.",
            _pieces('[f"<0x{byte:02X}>" for byte in reversed(character.encode())]'),
        ),
    ),
    alternatives=(
        Alternative(
            "format",
            _pieces('["<0x" + format(byte, "02X") + ">" for byte in bytes(character, "utf-8")]'),
        ),
        Alternative("percent", _pieces('["<0x%02X>" % byte for byte in character.encode("utf8")]')),
        Alternative(
            "hex of all bytes",
            _pieces('[f"<0x{digits}>" for digits in character.encode().hex(" ").upper().split()]'),
        ),
        Alternative(
            "by hand from the bits",
            "def byte_fallback(character):\n    code = ord(character)\n    if code < 0x80:\n"
            "        values = [code]\n    elif code < 0x800:\n"
            "        values = [0xC0 | code >> 6, 0x80 | code & 63]\n    elif code < 0x10000:\n"
            "        values = [0xE0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63]\n"
            "    else:\n"
            "        values = [0xF0 | code >> 18] + [0x80 | code >> s & 63 for s in (12, 6, 0)]\n"
            '    digits = "0123456789ABCDEF"\n'
            '    return ["<0x" + digits[v >> 4] + digits[v & 15] + ">" for v in values]\n',
        ),
    ),
    hints=(
        "A string has no bytes of its own; an encoding gives it some. Which method of `str` does "
        "that, and which encoding?",
        "`character.encode()` gives the bytes in UTF-8, and a loop over them gives numbers from 0 "
        "to 255. An f-string can write a number in hexadecimal.",
        '`f"{byte:02X}"` writes two capital hexadecimal digits. One list comprehension over '
        "`character.encode()` is the whole body.",
    ),
)
