"""Was anything that is held out for testing among the training data?"""

from collections.abc import Iterator

import numpy as np

from judges.anchors import AnchorSet
from judges.held_out.anchor_check import Contamination
from monitor.check import Measurement, check
from monitor.detection.fixed_sample import no_sample
from monitor.gate.held_out import seen_in_training
from monitor.gate.samples import named, open_census
from monitor.gate.trial import Trial

NO_TRAINING = "the candidate's training files, to look for held-out items in"
NO_SETS = "sealed anchor sets, to look for in the training files"


@check(family="capability", on={"gate"}, severity="warning")
def eval_contamination(snapshot: Trial, *, tolerance: float = 0.0) -> Iterator[Measurement]:
    """Yield a census of each sealed anchor set: which of its items the training files hold.

    Harm of an item, in its interval: 1 if its words were found whole, in a shared run of 13, or nearly; open for all
    others where rows of the training data could not be read. Exact: no chance in it. Tolerance: share of items.
    Raises what reading a broken seal or a training file raises, which is an ERROR. Raises nothing otherwise: no set, or
    no training file, is INCONCLUSIVE. Source: Brown et al. 2020, arXiv:2005.14165, appendix C (contamination).
    """
    if not snapshot.training:
        yield no_sample({}, tolerance, NO_TRAINING)
        return
    found = [_census(anchors, seen, tolerance) for anchors, seen in seen_in_training(snapshot)]
    yield from found or [no_sample({}, tolerance, NO_SETS)]


def _census(anchors: AnchorSet, seen: Contamination, tolerance: float) -> Measurement:
    places = {one.item_id: f"{one.item_id} ({one.kept[0].file}:{one.kept[0].line})" for one in seen.items}
    harm = np.array([item.item_id in places for item in anchors.items], np.float64)
    told = f"{len(places)} of {harm.size} items seen in {seen.texts:,} training texts"
    told += f": {named(list(places.values()))}" if places else ""
    if seen.unread:
        first = seen.unread[0]
        told += f"; {len(seen.unread)} rows could not be read, the first {first.file}:{first.line}"
    most = np.ones(harm.size) if seen.unread or not seen.texts else harm
    return open_census({"anchor_set": anchors.name}, harm, most, tolerance, told)
