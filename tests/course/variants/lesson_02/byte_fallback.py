"""The mistakes of the casebook `byte_fallback`, written a second time by another hand."""

from llama_mini.course.judge.exercise import Case, args


def _several(answer, *characters):
    return [answer(character) for character in characters]


CASES = (
    Case("two bytes", given=args("ж")),
    Case("ASCII", given=args("~")),
    Case("control characters", given=args("\r", "\x01", "\x0f"), use=_several),
    Case("three bytes", given=args("€")),
    Case("four bytes", given=args("𝔏")),
    Case("the last of all", given=args("\uffff", "\U0010ffff", "ÿ"), use=_several),
)

VARIANTS = {
    "small letters": [
        """
def byte_fallback(character):
    return ["<" + "0x" + format(b, "02x") + ">" for b in bytes(character, "utf-8")]
"""
    ],
    "a single digit": [
        """
def byte_fallback(character):
    return ["<0x" + hex(b)[2:].upper() + ">" for b in character.encode("utf-8")]
"""
    ],
    "padded with spaces": [
        """
def byte_fallback(character):
    return ["<0x%2X>" % b for b in character.encode("utf-8")]
"""
    ],
    "the code point": [
        """
def byte_fallback(character):
    digits = hex(ord(character))[2:].upper().rjust(2, "0")
    return ["<0x" + digits + ">"]
"""
    ],
    "the bytes of the code point": [
        """
def byte_fallback(character):
    number, out = ord(character), []
    while True:
        number, low = divmod(number, 256)
        out.insert(0, f"<0x{low:02X}>")
        if number == 0:
            return out
"""
    ],
    "Latin-1": [
        """
def byte_fallback(character):
    out = []
    for b in bytes(character, encoding="iso-8859-1"):
        out.append("<0x{:02X}>".format(b))
    return out
"""
    ],
    "UTF-16": [
        """
def byte_fallback(character):
    data = bytes(character, "utf-16-be")
    return ["<0x%02X>" % data[i] for i in range(len(data))]
"""
    ],
    "one string": [
        """
def byte_fallback(character):
    out = ""
    for b in character.encode("utf-8"):
        out += "<0x%02X>" % b
    return out
"""
    ],
    "numbers, not pieces": [
        """
def byte_fallback(character):
    return [b for b in bytes(character, "utf-8")]
"""
    ],
    "decimal digits": [
        """
def byte_fallback(character):
    return ["<0x" + str(b) + ">" for b in character.encode("utf-8")]
"""
    ],
    "without the brackets": [
        """
def byte_fallback(character):
    return ["0x" + format(b, "02X") for b in character.encode("utf-8")]
"""
    ],
    "without 0x": [
        """
def byte_fallback(character):
    return ["<" + digits + ">" for digits in character.encode().hex(" ").upper().split(" ")]
"""
    ],
    "ASCII left as it is": [
        """
def byte_fallback(character):
    data = character.encode("utf-8")
    return ["<0x%02X>" % b for b in data] if len(data) > 1 else [character]
"""
    ],
    "bytes in the wrong order": [
        """
def byte_fallback(character):
    out = []
    for b in character.encode("utf-8"):
        out.insert(0, f"<0x{b:02X}>")
    return out
"""
    ],
}
