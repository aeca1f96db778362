"""What chance and malice do to a file: it is cut, bits flip, bytes come in, blocks repeat, numbers grow huge."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from hypothesis import strategies as st

HUGE = (2**31 - 1, 2**32 - 1, 2**53, 2**63 - 1, 2**64 - 1)
NUMBERS = (b"0", b"-1", b"1e309", b"NaN", b"-Infinity", b"9" * 30, b"9" * 5000, b"1.5", b"true", b'"1"', b"\xd9\xa3")
PIECES = (
    *(b"null", b"[]", b"{}", b'""', b"[" * 30, b"[" * 3000, b'{"a":' * 3000, b"- " * 500, b"\x00", b"\xff\xfe", b"\r"),
    *(b"../../../etc/passwd", b"/etc/passwd", b'"', b",", b"\n", b"\t", b":", b"---\n", b"\\ud800", b"\xed\xa0\x80"),
    *(b"!!python/object/apply:os.system [id]", b"&a [*a, *a]", b"<<: *a", b"{{ ''.__class__ }}", b"{% for x in"),
    *(b"&a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b]\n", b"{{ 10 ** 9 }}", b"2020-13-45"),
    *(b"a" * 300, b" " * 3000, b"((((((" * 50, b"\xe2\x80\xa8", b"%s%n", b"\x1f\x8b\x08"),
)
_DIGITS = re.compile(rb"\d+")
_TOKEN = re.compile(rb'"[^"]*"|[\w.+-]+')

Edit = tuple[str, int, int]  # what, where (in parts of 2^16, or among the first bytes), and how


def edits() -> st.SearchStrategy[list[Edit]]:
    """One to four of them."""
    where = st.one_of(st.integers(0, 2**16 - 1), st.integers(-64, -1))
    return st.lists(st.tuples(st.sampled_from(sorted(KINDS)), where, st.integers(0, 2**16 - 1)), min_size=1, max_size=4)


def edited(content: bytes, changes: list[Edit]) -> bytes:
    """The file after these changes."""
    for kind, where, how in changes:
        at = min(-where - 1, len(content)) if where < 0 else where * len(content) // 2**16
        content = KINDS[kind](content, at, how)
    return content


def _flip(content: bytes, at: int, how: int) -> bytes:
    at = min(at, len(content) - 1)
    return content if at < 0 else content[:at] + bytes([content[at] ^ (1 << how % 8)]) + content[at + 1 :]


def _repeat(content: bytes, at: int, how: int) -> bytes:
    block = content[at : at + 1 + how % 200]
    return content[:at] + block * (2 + how % 50) + content[at + len(block) :]


def _header(content: bytes, at: int, how: int) -> bytes:
    value, form = HUGE[how % len(HUGE)], ("<I", ">I", "<Q", ">Q")[how // 8 % 4]
    width = struct.calcsize(form)
    at = at // width * width
    return content[:at] + struct.pack(form, value % 2 ** (8 * width)) + content[at + width :]


def _over(pattern: re.Pattern[bytes], others: tuple[bytes, ...]) -> Callable[[bytes, int, int], bytes]:
    def change(content: bytes, at: int, how: int) -> bytes:
        found = pattern.search(content, at) or pattern.search(content)
        other = others[how % len(others)]
        return content + other if found is None else content[: found.start()] + other + content[found.end() :]

    return change


KINDS: dict[str, Callable[[bytes, int, int], bytes]] = {
    "cut": lambda content, at, how: content[:at],
    "flip": _flip,
    "insert": lambda content, at, how: content[:at] + PIECES[how % len(PIECES)] + content[at:],
    "remove": lambda content, at, how: content[:at] + content[at + 1 + how % 100 :],
    "repeat": _repeat,
    "header": _header,
    "number": _over(_DIGITS, NUMBERS),
    "token": _over(_TOKEN, (*PIECES, *NUMBERS)),
}
