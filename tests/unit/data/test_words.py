"""The words that stand for values in digests and counters."""

from __future__ import annotations

import pyarrow as pa

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


def test_zero_has_no_sign() -> None:
    first, second = words_of_numbers(pa.array([0.0, -0.0]))
    assert first == second
