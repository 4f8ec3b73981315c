"""Files as accidents leave them."""


def damaged(content):
    """Every truncation, a byte too many, and every byte with one bit flipped, the next one each time."""
    yield from (content[:length] for length in range(len(content)))
    yield content + b"\0"
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        yield bytes(flipped)
