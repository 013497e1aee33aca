"""The words that stand for values in digests and counters."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from airloop.data.lake.words import words_of_numbers, words_of_texts


def test_equal_texts_share_their_words_wherever_they_lie() -> None:
    texts = ["", "a", "12345678", "123456789", "ü" * 20, "b" * 7, "b" * 8, "b" * 9]
    texts += ["c" * 63, "c" * 64, "c" * 65, "c" * 200, "c" * 199 + "d"]
    for words in words_of_texts(pa.array(texts)):
        assert len(set(words.tolist())) == len(texts)
    again = pa.array(["something before", *texts])[1:]
    assert [one.tolist() for one in words_of_texts(again)] == [
        one.tolist() for one in words_of_texts(pa.array(texts))
    ]


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ([f"{number:020}" for number in range(40)], ("f37eec807e7bd9d8", "603070357c491a42")),
        (["é" * size + "x" * (size % 5) for size in range(40)], ("6214350637df5cef", "d56114653631b0a5")),
    ],
    ids=["of one length", "of many"],
)  # fmt: skip
def test_a_text_keeps_its_words_from_release_to_release(
    texts: list[str], wanted: tuple[str, str]
) -> None:
    found = words_of_texts(pa.array(texts))
    assert tuple(hashlib.sha256(one.tobytes()).hexdigest()[:16] for one in found) == wanted


def test_zero_has_no_sign() -> None:
    first, second = words_of_numbers(pa.array([0.0, -0.0]))
    assert first == second
