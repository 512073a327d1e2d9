"""The HTML pages of a software manual, without what only leads around in it."""

import re

_MENU_LINE = re.compile(
    r"^(?:menu|skip to .*|previous|next|contents|table of contents|index|search|home|¶|up|"
    r"object name|description|member name|\[docs\]|see also)$",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    r"^\s*(?:(?:async )?(?:class|exception|method|classmethod|staticmethod|function|attribute"
    r"|property|data)\s+)\w+\.[\w.]+|^inherits from |^Bases: |^Member Name\b|^Object Name\b"
)
_IMAGE = re.compile(r"^\S+\.(?:png|gif|jpe?g|svg)$", re.IGNORECASE)


def without_menus(text: str) -> str:
    """A manual's page without navigation, signatures, image names and empty bullets."""
    lines = []
    for line in text.replace("¶", "").split("\n"):
        bare = line.strip(" •*-\t")
        if line.strip() and (not bare or _MENU_LINE.match(bare) or _IMAGE.match(bare)):
            continue
        if _SIGNATURE.match(line):
            continue
        lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip("\n")
