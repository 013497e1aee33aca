"""How each library learns from rows in a file: by its own ways to take them a batch at a time, as its estimator would be fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from airloop.training.trainers.boosting.rows import BATCH_ROWS, RowFile

#: From an estimator, what its ``fit`` would be given beside, the target, and that of the held rows to a booster.
Learn = Callable[[Any, Mapping[str, Any], Any, Any], Any]


@dataclass(frozen=True)
class Learned:
    """What a fit is given.

    :param names: of the columns, where no step before the booster takes them away
    :param classes: how many there are; 0 of a value
    """

    rows: RowFile
    #: Rows that say when to stop; none where nobody asked.
    held: RowFile | None
    names: list[str] | None
    classes: int


def xgboost(given: Learned) -> Learn:
    """Its DataIter makes a QuantileDMatrix: a byte a value."""
    import xgboost as xgb

    class Parts(xgb.DataIter):
        def __init__(self, types: Any) -> None:
            self._types = types
            self._parts = given.rows.parts()
            super().__init__()

        def next(self, input_data: Any) -> bool:
            """Hand over the next batch."""
            part = next(self._parts, None)
            if part is None:
                return False
            input_data(data=part, feature_names=given.names, feature_types=self._types)
            return True

        def reset(self) -> None:
            """From the first row on."""
            self._parts = given.rows.parts()

    def learn(one: Any, fixed: Mapping[str, Any], target: Any, later: Any) -> Any:
        kinds = {"enable_categorical": one.enable_categorical}
        # What it would have been told by a frame.
        types = one.feature_types or (["float"] * len(given.names) if given.names else None)
        matrix = xgb.QuantileDMatrix(Parts(types), max_bin=one.max_bin, nthread=one.n_jobs, **kinds)
        matrix.set_label(target)
        watched = []
        if given.held is not None:
            more = {"feature_names": given.names, "feature_types": types, **kinds}
            rows = given.held.whole()
            watched = [(xgb.QuantileDMatrix(rows, later, ref=matrix, **more), "validation_0")]
        params = one.get_xgb_params()
        if given.classes > 2:
            params |= {"objective": "multi:softprob", "num_class": given.classes}
        return xgb.train(
            params,
            matrix,
            one.get_num_boosting_rounds(),
            evals=watched,
            early_stopping_rounds=one.early_stopping_rounds if watched else None,
            verbose_eval=False,
        )

    return learn


#: What its estimator takes and its Dataset does not.
_OF_ESTIMATOR: Final = ("n_estimators", "importance_type", "class_weight", "objective")


def lightgbm(given: Learned) -> Learn:
    """A Sequence of rows makes its Dataset: a byte a value, and once for all that is learned."""
    import lightgbm as lgb
    from sklearn.utils.class_weight import compute_sample_weight

    class Rows(lgb.Sequence):
        batch_size = BATCH_ROWS

        def __len__(self) -> int:
            return len(given.rows)

        def __getitem__(self, at: Any) -> Any:
            start, stop = (at.start, at.stop) if isinstance(at, slice) else (at, at + 1)
            found = given.rows.read(int(start), int(stop)).astype(np.float64)
            return found if isinstance(at, slice) else found[0].copy()

    made: list[Any] = []

    def learn(one: Any, fixed: Mapping[str, Any], target: Any, later: Any) -> Any:
        params = {key: value for key, value in one.get_params().items() if value is not None}
        own = {key: params.pop(key, None) for key in _OF_ESTIMATOR}
        if given.classes > 2:
            params["num_class"] = given.classes
        params["objective"] = own["objective"] or _objective(given.classes)
        if "data_random_seed" not in params and "random_state" in params:
            # Of the seed a Dataset of a sequence is not told: by this one it draws the rows that bins are made from.
            params["data_random_seed"] = _of_seed(params["random_state"])
        weights = None
        if own["class_weight"] is not None:
            weights = compute_sample_weight(own["class_weight"], target)
        if not made:
            named = {"feature_name": given.names or "auto", **fixed}
            made.append(lgb.Dataset(Rows(), target, weight=weights, params=params, **named))
            if given.held is not None:
                made.append(made[0].create_valid(given.held.whole(), later))
        data, *watched = made
        for one_set, own_target in zip(made, (target, later), strict=False):
            one_set.set_label(own_target)
        return lgb.train(params, data, own["n_estimators"], valid_sets=watched)

    return learn


def _of_seed(seed: int) -> int:
    """What LightGBM draws first from a seed: the one for the sample of rows."""
    return (((214013 * seed + 2531011) & 0xFFFFFFFF) >> 16 & 0x7FFF) % 0x7FFF


def _objective(classes: int) -> str:
    if not classes:
        return "regression"
    return "multiclass" if classes > 2 else "binary"


#: By the package that they come from; who is not named takes no stream.
LEARNERS: Final[dict[str, Callable[[Learned], Learn]]] = {"xgboost": xgboost, "lightgbm": lightgbm}
