from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from airloop.errors import SpecError
from airloop.plugins.trainer import Output, OutputKind, outputs_of
from airloop.registry.formats.torch.columns import measure
from airloop.registry.formats.torch.network import TabularNetwork, perceptron

FRAME = pd.DataFrame(
    {
        "city": ["a", "a", "b", "b", "c", ""],
        "gap": [1.0, np.nan, 3.0, 5.0, 3.0, 3.0],
        "full": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
    }
)
TARGET = np.array([0.0, 1, 0, 1, 0, 1])


def network(body=None, least=2):
    torch.manual_seed(0)
    columns = measure(FRAME, TARGET, *outputs_of("classification"), least)
    return TabularNetwork(columns, 3, body or perceptron([4], dropout=0.0)).eval()


def answers(made, frame):
    codes, numbers = made.columns.encode(frame)
    with torch.no_grad():
        return made(torch.from_numpy(codes), torch.from_numpy(numbers)).numpy()


def test_numbers_are_normalised_inside_the_module():
    made = network()
    dense = made.normalise(torch.from_numpy(made.columns.encode(FRAME)[1]))
    assert torch.allclose(dense[:, 1].mean(), torch.tensor(0.0), atol=1e-6)
    assert torch.allclose(dense[:, 1].std(correction=0), torch.tensor(1.0), atol=1e-6)


def test_what_is_missing_becomes_the_mean_and_a_flag_where_training_knew_of_it():
    dense = network().normalise(torch.from_numpy(network().columns.encode(FRAME)[1]))
    assert dense.shape == (6, 3)
    assert dense[1].tolist()[0] == 0.0
    assert dense[:, 2].tolist() == [0, 1, 0, 0, 0, 0]


def test_a_column_that_is_first_missing_when_serving_is_answered_as_its_mean():
    made, mean = network(), FRAME["full"].mean()
    gone, there = FRAME.assign(full=np.nan), FRAME.assign(full=mean)
    assert np.allclose(answers(made, gone), answers(made, there), atol=1e-6)


def test_unseen_and_rare_categories_are_one():
    made = network()
    assert made.columns.categories == {"city": ("a", "b")}
    one, other = FRAME.assign(city="c"), FRAME.assign(city="never seen")
    assert (answers(made, one) == answers(made, other)).all()
    assert not np.allclose(answers(made, one), answers(made, FRAME.assign(city="a")))


def test_a_body_of_another_width_than_the_outputs_is_refused():
    three = Output(kind=OutputKind.CLASSES, names=("a", "b", "c"), shape=(3,))
    columns = measure(FRAME, TARGET, three, 2)
    with pytest.raises(SpecError, match=r"to 3 numbers a row.*linear layer of width 3"):
        TabularNetwork(columns, 3, perceptron([4]))
    assert TabularNetwork(columns, 3, perceptron([4], answers=3)).shape == (3,)


def test_a_column_without_any_number_is_no_reason_to_fail():
    columns = measure(FRAME.assign(gap=np.nan), TARGET, *outputs_of("classification"), 1)
    made = TabularNetwork(columns, 2, perceptron([4]))
    assert np.isfinite(answers(made.eval(), FRAME)).all()


def test_any_module_from_rows_to_one_number_will_do():
    class Own(nn.Module):
        def forward(self, dense):
            return dense.sum(dim=1)

    assert answers(network(Own()), FRAME).shape == (6,)


@pytest.mark.parametrize("body", [nn.LazyLinear(2), nn.Linear(1, 1), nn.Bilinear(1, 1, 1)])
def test_a_module_that_does_not_is_refused_with_the_remedy(body):
    with pytest.raises(SpecError, match=r"one number a row.*width 1"):
        network(body)
