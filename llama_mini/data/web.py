"""Pages of the open web."""

FORMS = (
    "all rights reserved", "©", "copyright", "password", "sign in", "sign up", "log in", "captcha",
    "your account", "shopping cart", "add to cart", "write a review", "free shipping", "checkout",
    "newsletter", "click here",
)  # fmt: skip


def without_form_lines(text: str) -> str:
    """A page without the lines that belong to forms and shops."""
    lines = text.split("\n")
    return "\n".join(line for line in lines if not any(phrase in line.lower() for phrase in FORMS))
