"""What the fake stages stand on."""


def add(left: int, right: int) -> int:
    return left + right
