"""Contents that are nearly right: files of every kind with a few bytes or values made wrong."""

from __future__ import annotations

import re

from hypothesis import strategies as st

MOST_DAMAGES = 4
TOKEN = re.compile(rb'"[^"\n]{0,80}"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\w+')
HOSTILE = (
    *(b"NaN", b"Infinity", b"-1", b"0", b"1e999", b"1e300", b"-1e-300", b"9" * 400, b"2147483648"),
    *(b"null", b"true", b"[]", b"{}", b'""', b'"x"', b"[1]", b'{"a": [null]}', b"1.5", b"~"),
    *(b'"\\u0000"', b'"\\ud800"', b"\xff\xfe", b"\xf4", b"\x00", "나진".encode(), b"\xe2\x80\xa8"),
    *(b"2024-13-45", b"0000-00-00", b"9999-12-31T23:59:60Z", b"12:34:99", b"+99:99"),
    *(
        b"../../etc/passwd",
        b"/dev/zero",
        b"/vsicurl/http://127.0.0.1:9/x.tif",
        b"file:///",
        b"~root",
    ),
    *(b"${oc.env:HOME}", b"${a}", b"_target_: os.system", b"!!python/object/apply:os.abort []"),
    *(b"&a [*a]", b"*a", b"<<: *a", b"[" * 2000, b"{a: " * 500, b"<!DOCTYPE a>", b"&amp;", b"]]>"),
    *(b"=1+1", b"'; DROP TABLE x; --", b"%s%n", b"\r\n", b"\t", b",,,,", b"EPSG:9999999"),
)


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """One of the seeds after one to `MOST_DAMAGES` damages."""
    content = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, MOST_DAMAGES))):
        content = _once(draw, content)
    return content


def _once(draw: st.DrawFn, content: bytes) -> bytes:
    kind = draw(st.sampled_from(("token", "token", "byte", "cut", "end", "twice", "put")))
    if kind == "token":
        tokens = [found.span() for found in TOKEN.finditer(content)]
        if not tokens:
            return content + draw(st.sampled_from(HOSTILE))
        start, stop = draw(st.sampled_from(tokens))
        return content[:start] + draw(st.sampled_from(HOSTILE)) + content[stop:]
    at = draw(st.integers(0, max(len(content) - 1, 0)))
    length = draw(st.integers(1, 40))
    made = {
        "byte": lambda: content[:at] + draw(st.binary(min_size=1, max_size=4)) + content[at + 1 :],
        "cut": lambda: content[:at] + content[at + length :],
        "end": lambda: content[:at],
        "twice": lambda: content[: at + length] + content[at:],
        "put": lambda: content[:at] + draw(st.sampled_from(HOSTILE)) + content[at:],
    }
    return made[kind]()
