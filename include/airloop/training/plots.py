"""The pictures of a training run, drawn without a display and without pyplot's global state."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airloop.evaluation.metrics import Floats, gain, metric
from airloop.evaluation.quantiles import below
from airloop.registry.frozen import Scorer
from airloop.specs.model import ModelSpec

#: Rows on which feature importance is measured: a picture needs no third digit.
IMPORTANCE_ROWS = 4_000
SIZE = (5.0, 4.0)
COLOUR = "#017cee"


def permutation_importance(
    name: str, features: pd.DataFrame, truth: Floats, scorer: Scorer, seed: int
) -> dict[str, float]:
    """What the metric loses when one feature's values are shuffled (Breiman, 2001), largest first."""
    random = np.random.default_rng(seed)
    if len(features) > IMPORTANCE_ROWS:
        chosen = np.sort(random.choice(len(features), IMPORTANCE_ROWS, replace=False))
        features, truth = features.iloc[chosen], truth[chosen]
    whole = np.array(metric(name, truth, scorer(features)))
    order = random.permutation(len(features))
    losses = {}
    for column in features.columns:
        shuffled = features.copy(deep=False)
        shuffled[column] = features[column].to_numpy()[order]
        losses[column] = float(gain(name, whole, np.array(metric(name, truth, scorer(shuffled)))))
    return dict(sorted(losses.items(), key=lambda entry: -entry[1]))


def draw(
    folder: Path,
    model: ModelSpec,
    truth: Floats,
    scores: Floats,
    importance: dict[str, float],
    primary: str,
) -> None:
    """Write the pictures of what the model is good for into a folder as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    if model.answer.of_classes:
        _confusion(folder / "confusion.png", truth, scores, model.answer.names)
    elif model.goal == "values":
        for place, name in enumerate(model.answer.names):
            _predicted(
                folder / f"predicted_vs_actual_{name}.png", truth[:, place], scores[:, place]
            )
    elif model.goal == "quantiles":
        _coverage(folder / "coverage.png", truth, scores)
    elif model.goal == "classification":
        _roc(folder / "roc.png", truth, scores)
        _calibration(folder / "calibration.png", truth, scores)
    else:
        _predicted(folder / "predicted_vs_actual.png", truth, scores)
    _importance(folder / "feature_importance.png", importance, primary)


def _roc(path: Path, truth: Floats, scores: Floats) -> None:
    order = np.argsort(-scores, kind="stable")
    positive = truth[order] == 1
    hits = np.concatenate([[0.0], np.cumsum(positive) / max(1, positive.sum())])
    alarms = np.concatenate([[0.0], np.cumsum(~positive) / max(1, (~positive).sum())])
    figure, axes = _axes("false positive rate", "true positive rate")
    axes.plot(alarms, hits, color=COLOUR)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.set_title(f"ROC, area {metric('roc_auc', truth, scores):.3f}")
    figure.savefig(path)


def _calibration(path: Path, truth: Floats, scores: Floats) -> None:
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, 10) if len(part)]
    figure, axes = _axes("predicted probability", "observed rate")
    predicted = [scores[part].mean() for part in parts]
    axes.plot(predicted, [truth[part].mean() for part in parts], marker="o", color=COLOUR)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.set_title("Calibration, tenths of the holdout")
    figure.savefig(path)


def _predicted(path: Path, truth: Floats, scores: Floats) -> None:
    figure, axes = _axes("predicted", "actual")
    axes.scatter(scores, truth, s=2, alpha=0.3, color=COLOUR)
    axes.set_title("Holdout, predicted against actual")
    figure.savefig(path)


def _confusion(path: Path, truth: Floats, scores: Floats, classes: tuple[str, ...]) -> None:
    """How the rows that were of a class are shared out among the likeliest ones."""
    found = np.zeros((len(classes), len(classes)))
    np.add.at(found, (truth.astype(np.intp), scores.argmax(axis=1)), 1)
    figure, axes = _axes("likeliest class", "class")
    axes.imshow(
        found / np.maximum(found.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1
    )
    axes.set_xticks(range(len(classes)), classes, rotation=90)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_title("Holdout, shares of each class")
    figure.savefig(path)


def _coverage(path: Path, truth: Floats, scores: Floats) -> None:
    """How many of the values are not above each quantile."""
    levels = truth[0, 1:]
    figure, axes = _axes("level", "share of values not above it")
    axes.plot(levels, below(truth, scores), marker="o", color=COLOUR)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.set_title("Holdout, quantiles")
    figure.savefig(path)


def _importance(path: Path, importance: dict[str, float], primary: str) -> None:
    top = list(importance.items())[:20][::-1]
    figure, axes = _axes(f"loss of {primary} when shuffled", "")
    axes.barh(range(len(top)), [value for _, value in top], color=COLOUR)
    # As it is written: matplotlib would read what stands between two dollar signs as a formula.
    axes.set_yticks(range(len(top)), [name for name, _ in top], parse_math=False)
    axes.set_title("Feature importance on the holdout")
    with warnings.catch_warnings():
        # A script that its font lacks is drawn as boxes; the figures stand in the run's metrics.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(path)


def _axes(across: str, up: str) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes
