"""A fitted ``OCSFPreprocessor`` <-> what JSON can say of it, plus scikit-learn's scaler: for models that are saved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from ocsf_ssl_lib.features import OCSFPreprocessor
from ocsf_ssl_lib.scaling import NumberScaler
from ocsf_ssl_lib.vocabulary import Vocabulary

__all__ = ["plain", "preprocessor_state", "restore_preprocessor"]


def plain(options: dict[str, Any]) -> dict[str, Any]:
    """Options in the types that JSON knows: no numpy scalars, arrays or pandas indices."""
    scalars = {k: v.item() for k, v in options.items() if isinstance(v, np.generic)}
    lists = {k: [str(c) for c in v] for k, v in options.items() if isinstance(v, list | tuple | np.ndarray | pd.Index)}
    return options | scalars | lists


def preprocessor_state(preprocessor: OCSFPreprocessor) -> dict[str, Any]:
    """All but the scaler's estimator, which is scikit-learn's own and stored beside."""
    return {
        "numerical_names": preprocessor.numerical_names_,
        "categorical_names": preprocessor.categorical_names_,
        "vocabularies": {name: v.values for name, v in preprocessor.vocabularies_.items()},
        "ranks": preprocessor.scaler_.ranks,
        "column_report": preprocessor.column_report_.to_dict(orient="list"),
    }


def restore_preprocessor(options: dict[str, Any], state: dict[str, Any], estimator: Any) -> OCSFPreprocessor:
    """The preprocessor that ``preprocessor_state`` was taken from.

    Args:
        options: arguments of ``OCSFPreprocessor``.
        state: what ``preprocessor_state`` gave; other keys are ignored.
        estimator: the scaler's.

    Raises:
        ValueError: there are numerical columns and no scaler for them.
    """
    prep = OCSFPreprocessor(**options)
    prep.numerical_names_, prep.categorical_names_ = list(state["numerical_names"]), list(state["categorical_names"])
    prep.vocabularies_ = {name: Vocabulary(state["vocabularies"][name]) for name in prep.categorical_names_}
    prep.cardinalities_ = [len(v) for v in prep.vocabularies_.values()]
    prep.column_report_ = pd.DataFrame(state["column_report"])
    prep.n_features_in_ = len(prep.numerical_names_) + len(prep.categorical_names_)
    if prep.numerical_names_ and not isinstance(estimator, QuantileTransformer | StandardScaler):
        raise ValueError("the scaler of the numbers is missing")
    prep.scaler_ = NumberScaler(prep.scaling)
    prep.scaler_.estimator, prep.scaler_.ranks = estimator, dict(state["ranks"])
    return prep
