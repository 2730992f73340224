"""Plausible wrong answers: a change of the solution, the points that are left, and what the student is told."""

from __future__ import annotations

from typing import NamedTuple


class Wrong(NamedTuple):
    """One wrong answer.

    Attributes:
        question: which question it answers.
        points: what it gets there.
        says: part of the message that meets the misconception.
        old: text of the solution.
        new: what stands there instead.
    """

    question: str
    points: float
    says: str
    old: str
    new: str


HUNT = """
from ocsf_ssl_lib.detect.baselines import BASELINES, marginal_frequency, one_hot
def hunt(past, new):
    prep = OCSFPreprocessor().fit(past)
    a, b = prep.transform(past), prep.transform(new)
    {}
"""
HUNT_SOLUTION = 'return pd.Series(-detector.score_samples(new), index=new["metadata.uid"])\n    # END SOLUTION'

AUGMENTATION = [
    Wrong("q1", 1.5, "not additive", "numerical + level * noise)", "numerical * (1 + level * noise))"),
    Wrong(
        "q1",
        0.5,
        "in-place",
        "return torch.where(missing, numerical, numerical + level * noise)",
        "numerical += level * noise\n    return numerical",
    ),
    Wrong(
        "q1",
        2.0,
        "must stay 0",
        "return torch.where(missing, numerical, numerical + level * noise)",
        "return numerical + level * noise",
    ),
    Wrong("q1", 2.5, "a draw of its own", "torch.randn(numerical.shape,", "torch.randn(len(numerical), 1,"),
    Wrong(
        "q2",
        1.0,
        "last part as a whole",
        'name.lower().rsplit(".", 1)[-1] in MEANING',
        "any(m in name.lower() for m in MEANING)",
    ),
    Wrong("q2", 1.5, "any case", "name.lower().rsplit", "name.rsplit"),
    Wrong("q2", 0.0, "positions, not of names", "[k for k, name", "[name for k, name"),
    Wrong(
        "q3",
        3.0,
        "drawn uniformly",
        "categorical.gather(0, donor)",
        "torch.randint(3, int(categorical.max()) + 1, categorical.shape)",
    ),
    Wrong(
        "q3",
        4.0,
        "draws its own row",
        "(len(categorical), categorical.shape, generator=generator)",
        "(len(categorical), (len(categorical), 1), generator=generator).expand(categorical.shape)",
    ),
    Wrong("q3", 4.0, "states of the log", "chosen &= (categorical >= FIRST_VALUE) & (values >= FIRST_VALUE)", "pass"),
    Wrong("q3", 4.0, "protected column has changed", "chosen[:, protected] = False", "pass"),
    Wrong(
        "q4",
        1.0,
        "cells that hold a value",
        "((original != view) & with_value).sum(0) / with_value.sum(0)",
        "(original != view).float().mean(0)",
    ),
    Wrong("q4", 1.5, "once in k times", "rate * (1 - 1 / values)", "rate"),
]

NT_XENT = [
    Wrong("q1", 1.0, "no cosines", "F.normalize(torch.cat([z1, z2]), dim=1)", "torch.cat([z1, z2])"),
    Wrong("q1", 0.0, "along its own row", "dim=1)", "dim=0)"),
    Wrong("q2", 1.0, "first views stand together", "torch.arange(2 * n).roll(n)", "torch.arange(2 * n) ^ 1"),
    Wrong("q2", 0.0, "Every row needs a partner", "torch.arange(2 * n).roll(n)", "torch.arange(n) + n"),
    Wrong(
        "q3",
        0.0,
        "among its own candidates",
        'logits = logits.masked_fill(torch.eye(len(logits), dtype=torch.bool), float("-inf"))',
        "pass",
    ),
    Wrong(
        "q3",
        2.0,
        "divides the similarities",
        "logits = similarities(z1, z2) / temperature",
        "logits = similarities(z1, z2) * temperature",
    ),
    Wrong(
        "q3",
        5.0,
        "beyond float32",
        "return F.cross_entropy(logits, partners(len(z1)))",
        "e = logits.exp()\n    return -(e[torch.arange(len(e)), partners(len(z1))] / e.sum(1)).log().mean()",
    ),
    Wrong(
        "q3",
        5.0,
        "no call of the library",
        "logits = similarities(z1, z2) / temperature",
        "import ocsf_ssl_lib\n    return ocsf_ssl_lib.nt_xent(z1, z2, temperature)",
    ),
    Wrong("q4", 0.0, "must stay a candidate", "excluded[rows, partners(n)] = False", "pass"),
    Wrong(
        "q4",
        2.0,
        "still pushed away",
        "excluded = number[:, None] == number[None, :]",
        "half = same[:, None] == same[None, :]\n    excluded = torch.block_diag(half, half).bool()",
    ),
]

MASKED = [
    Wrong("q1", 2.0, "states of the log", "< rate) & ~missing", "< rate)"),
    Wrong(
        "q1",
        2.0,
        "by its own draw",
        "categories = (torch.rand(categorical.shape,",
        "categories = (torch.rand(len(categorical), 1,",
    ),
    Wrong(
        "q1",
        2.0,
        "Positions count",
        "categories[:, protected]",
        "categories[:, [p - missing.shape[1] for p in protected if p >= missing.shape[1]]]",
    ),
    Wrong(
        "q2", 1.0, "input was changed", "numerical.masked_fill(numbers, 0.0)", "numerical.masked_fill_(numbers, 0.0)"
    ),
    Wrong("q2", 1.0, "told which numbers", "numbers.float()", "(numerical.masked_fill(numbers, 0.0) == 0).float()"),
    Wrong("q3", 1.0, "Only hidden cells count", "rows = hidden[:, j]", "rows = torch.ones_like(hidden[:, j])"),
    Wrong("q3", 3.0, "mean of nothing is NaN", "if rows.any():", "if True:"),
    Wrong("q3", 3.0, "its own trivial loss", "loss / trivial[j]", "loss"),
    Wrong("q3", 3.0, "natural logarithm", "share.log()", "share.log2()"),
    Wrong("q4", 2.0, "has a direction", "for target in range(width):", "for target in range(source + 1, width):"),
    Wrong("q4", 2.0, "no leak", "and share >= most + 0.05", ""),
    Wrong("q5", 2.0, "must be standardised", "((new - mean) / std)", "(new - mean)"),
    Wrong("q5", 2.0, "from the training events", "mean = losses.nanmean(0)", "mean = new.nanmean(0)"),
    Wrong("q5", 2.0, "no NaN in it", ".nan_to_num(0.0)", ""),
]

TRAINING = [
    Wrong("q1", 2.0, "Write to another name", 'aside = path.with_name(path.name + ".new")', "aside = path"),
    Wrong("q1", 2.0, "run code", "weights_only=True", "weights_only=False"),
    Wrong("q2", 3.0, "starts anew. Without its moments", 'optimizer.load_state_dict(state["optimizer"])', "pass"),
    Wrong("q2", 3.0, "references to the live tensors", "copy.deepcopy(\n", "dict(\n"),
    Wrong("q2", 3.0, "in the order of the first one", 'generator.set_state(state["generator"])', "pass"),
    Wrong("q3", 2.0, "middle of an epoch", "        if step == 0:\n", "        if True:\n"),
    Wrong("q3", 2.0, "middle of an epoch", 'order = state["order"]', 'step, order = 0, state["order"]'),
    Wrong("q3", 3.0, "done again", "if path.exists():", "if False:"),
    Wrong("q4", 2.0, "NaN must end", "if not math.isfinite(loss):", "if False:"),
    Wrong("q4", 2.0, "not the best", "copy.deepcopy(model.state_dict())", "model.state_dict()"),
    Wrong("q4", 2.0, "no more than min_delta", "self.best - self.min_delta", "self.best"),
]

ANOMALIES = [
    Wrong(
        "q1",
        2.0,
        "Equal scores have no order",
        "np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)",
        "np.arange(len(scores))",
    ),
    Wrong(
        "q1",
        0.0,
        "area under the ROC curve",
        "order = np.argsort",
        "import sklearn.metrics as m\n    return m.roc_auc_score(is_anomaly, scores)\n    order = np.argsort",
    ),
    Wrong(
        "q2",
        2.0,
        "upside down",
        HUNT_SOLUTION,
        HUNT.format('return pd.Series(marginal_frequency(a, b), index=new["metadata.uid"])'),
    ),
    Wrong(
        "q2",
        3.0,
        "does not beat an isolation forest",
        HUNT_SOLUTION,
        HUNT.format(
            """a, b = (one_hot(part, prep.cardinalities_) for part in (a, b))
    return pd.Series(-BASELINES["isolation forest"](a, b, 0), index=new["metadata.uid"])"""
        ),
    ),
    Wrong(
        "q2",
        6.0,
        "does not beat the sum of marginal",
        HUNT_SOLUTION,
        HUNT.format('return pd.Series(-marginal_frequency(a, b), index=new["metadata.uid"])'),
    ),
    Wrong(
        "q2",
        5.0,
        "hang on the other new events",
        HUNT_SOLUTION,
        HUNT.format('return pd.Series(-marginal_frequency(a, b), index=new["metadata.uid"]).rank()'),
    ),
    Wrong(
        "q3",
        3.0,
        "breaks the budget",
        "values = np.unique(calm.to_numpy(float))",
        "return float(np.sort(calm)[-int(per_day * days)])",
    ),
    Wrong("q3", 2.0, "as many alerts as a day under attack", "scores[scores >= limit]", "scores"),
    Wrong("q3", 3.0, "for the whole period", "counts <= per_day * days", "counts <= per_day"),
]

WRONG_ANSWERS = {
    "1-augmentation": AUGMENTATION,
    "2-nt-xent": NT_XENT,
    "3-masked-features": MASKED,
    "4-training-loop": TRAINING,
    "5-anomaly-hunt": ANOMALIES,
}
