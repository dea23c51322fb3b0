"""Is more of a metric better, or less?

Asked in this order: the caller (`--higher-is-better`, `--lower-is-better`), the file, the short table below. What
none of them knows is refused: a guess that is wrong would call every regression of that metric an improvement.
"""

from collections.abc import Collection

from consumers.importers.foreign import Given
from consumers.importers.rows import RowFault

HIGHER = frozenset(
    {
        *("acc", "acc_norm", "accuracy", "balanced_accuracy", "exact_match", "em", "f1", "macro_f1", "micro_f1", "mcc"),
        *("precision", "recall", "bleu", "rouge1", "rouge2", "rougel", "rougelsum", "chrf", "meteor", "pass@1"),
        *("pass_at_1", "ndcg", "mrr", "auc", "auroc", "win_rate", "length_controlled_winrate", "spearmanr", "pearsonr"),
        *("prompt_level_strict_acc", "prompt_level_loose_acc", "inst_level_strict_acc", "inst_level_loose_acc"),
    }
)
LOWER = frozenset(
    {
        *("perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "ppl", "loss", "nll", "cross_entropy"),
        *("ter", "wer", "cer", "brier_score", "ece", "mse", "rmse", "mae", "error_rate"),
    }
)


def higher_is_better(metric: str, given: Given, said: object = None) -> bool:
    """Whether more is better. said: what the file says, taken if it is true or false.

    A metric is named whole (`match/mean`, `exact_match,strict-match`) or by its bare name (`mean`, `exact_match`).
    Raises RowFault where nobody knows.

    >>> higher_is_better("exact_match,strict-match", Given()), higher_is_better("eval/loss", Given())
    (True, False)
    """
    names = (metric, bare(metric))
    for said_by_caller, answer in ((given.higher, True), (given.lower, False)):
        if _names_one(names, said_by_caller):
            return answer
    if isinstance(said, bool):
        return said
    if names[1].lower() in HIGHER | LOWER:
        return names[1].lower() in HIGHER
    raise RowFault(
        f"nothing says whether more of {metric!r} is better; give --higher-is-better {metric} or"
        f" --lower-is-better {metric}"
    )


def bare(metric: str) -> str:
    """The name of a metric without its filter and without what stands before it.

    >>> bare("exact_match,strict-match"), bare("match/accuracy")
    ('exact_match', 'accuracy')
    """
    return metric.partition(",")[0].rpartition("/")[2]


def _names_one(names: tuple[str, str], chosen: Collection[str]) -> bool:
    return any(name in chosen for name in names)
