"""What is kept of probabilities answers as the network did."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from evidence.predictions import answers_of, check_probabilities, rounded


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 20), st.integers(2, 7)),
        elements=st.floats(-40, 40, width=32) | st.sampled_from([0.0, 1.0, 1.0001]),
    )
)
def test_rounding_keeps_every_answer_and_the_sum(logits: np.ndarray) -> None:
    probabilities = softmax(logits)
    kept = rounded(probabilities, answers_of(probabilities))
    assert answers_of(kept).tolist() == answers_of(probabilities).tolist()
    check_probabilities(kept, *logits.shape)
    np.testing.assert_allclose(kept, probabilities, rtol=2e-3, atol=1e-7)


def test_of_classes_that_16_bits_cannot_tell_apart_the_answer_stays_ahead() -> None:
    near = np.array([[0.5 - 1e-6, 0.5 + 1e-6]], dtype=np.float32)
    assert near.astype(np.float16).argmax() == 0
    assert rounded(near, np.array([1])).argmax() == 1


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda kept: kept.astype(np.float32), "expected float16"),
        (lambda kept: kept[:2], r"of \(2, 3\)"),
        (lambda kept: np.full_like(kept, np.nan), "no probabilities"),
        (lambda kept: kept * np.float16(-1), "no probabilities"),
        (lambda kept: kept / np.float16(2), "sum to"),
    ],
)
def test_what_is_no_table_of_probabilities_is_refused(spoil, said) -> None:
    kept = rounded(softmax(np.arange(9.0).reshape(3, 3)), np.array([2, 2, 2]))
    check_probabilities(kept, 3, 3)
    with pytest.raises(ValueError, match=said):
        check_probabilities(spoil(kept), 3, 3)
