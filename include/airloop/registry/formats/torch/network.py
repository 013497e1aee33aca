"""The network: categories embedded, numbers normalised, then whatever body the user's ``build(params)`` returned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from airloop.errors import SpecError
from airloop.registry.formats.torch.columns import Columns


def perceptron(
    hidden: Sequence[int] = (128, 64), dropout: float = 0.1, answers: int = 1
) -> nn.Sequential:
    """The default body: linear layers with ReLU and dropout between; its input width is found out by itself.

    :param answers: numbers a row, as many as the spec's ``outputs`` has
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.LazyLinear(width), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.LazyLinear(answers))


class TabularNetwork(nn.Module):
    """One module from codes and raw numbers to answers.

    :param columns: what was measured on the training rows
    :param embedding: numbers that stand for a category
    :param body: takes a float tensor [rows, width] and returns one number a row: a logit, or the standardised value;
        with ``outputs`` one for each class, quantile or value
    """

    mean: Tensor
    scale: Tensor
    flagged: Tensor

    def __init__(self, columns: Columns, embedding: int, body: nn.Module) -> None:
        super().__init__()
        self.columns = columns
        self.embedding = nn.Embedding(max(1, columns.embeddings), embedding)
        self.body = body
        numbers = columns.numbers.values()
        self.register_buffer("mean", torch.tensor([one.mean for one in numbers]))
        self.register_buffer("scale", torch.tensor([one.scale for one in numbers]))
        self.register_buffer("flagged", torch.tensor(columns.flagged, dtype=torch.long))
        self._find_widths()

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """Logits, or standardised values, of raw rows."""
        return self.from_dense(codes, self.normalise(numbers))

    def normalise(self, numbers: Tensor) -> Tensor:
        """Standardised numbers with the mean for what is missing, and a column more for each that may be.

        Constant over the epochs, so training does it once for all of them.
        """
        missing = torch.isnan(numbers)
        standard = (numbers - self.mean) / self.scale
        filled = torch.where(missing, torch.zeros_like(standard), standard)
        if not len(self.flagged):
            return filled
        flags = missing.index_select(1, self.flagged).to(filled.dtype)
        return torch.cat([filled, flags], dim=1)

    def from_dense(self, codes: Tensor, dense: Tensor) -> Tensor:
        """Logits, or standardised values, of rows already normalised."""
        if codes.shape[1]:
            dense = torch.cat([self.embedding(codes).flatten(1), dense], dim=1)
        answers: Tensor = self.body(dense)
        return answers.reshape(len(dense), *self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row's answer."""
        return (self.columns.width,) if self.columns.width else ()

    def answer(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """Probabilities, or values in the target's own unit."""
        raw: Tensor = self(codes, numbers)
        if self.columns.task == "classification":
            return torch.softmax(raw, dim=1) if self.shape else torch.sigmoid(raw)
        mean, scale = (
            torch.tensor(one, dtype=raw.dtype)
            for one in (self.columns.target_mean, self.columns.target_scale)
        )
        value = raw * scale + mean
        # Where two quantiles cross, they change places (Chernozhukov et al., 2010).
        return value.sort(dim=1).values if self.columns.levels else value

    def _find_widths(self) -> None:
        """Run two rows through, so that lazy layers get their widths, and see that as many numbers a row come out as are declared."""
        wide = self.columns.width or 1
        many = f"{wide} numbers" if wide > 1 else "one number"
        codes = torch.zeros((2, len(self.columns.categories)), dtype=torch.int32)
        numbers = torch.zeros((2, len(self.columns.numbers)))
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                self(codes, numbers)
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise SpecError(
                f"build() must return a module from [rows, width] to {many} a row",
                value=str(error)[:300],
                where="the model's build()",
                remedy=f"end it with a linear layer of width {wide}, and begin with a lazy one",
            ) from error
        self.train(training)
