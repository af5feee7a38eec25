"""What a record's matter asks of its body, and what of it is looked at where it is logged.

1. A body is read strictly by its matter's own file before anything else is asked: BODIES.
2. What a matter adds to the rules is one function of what was logged before: it refuses, by
   EvidenceError, or names what is flagged: EXAMINERS. Flags stay with the record, and whoever
   replays the log finds the same.

It knows which file is which matter's, and nothing of what they say.
"""

from collections.abc import Callable, Mapping

from evidence.code import Matter
from evidence.joint import (
    claim,
    decision,
    der,
    emergency,
    evaluation,
    handoff,
    interchange,
    lent,
    policy,
    registry,
    residual,
    seam,
    settlement,
)
from evidence.joint.before import Examiner

BODIES: Mapping[Matter, Callable[[bytes], object]] = {
    Matter.POLICY: policy.read,
    Matter.REGISTRY: registry.read,
    Matter.SEAM: seam.read,
    Matter.SETTLEMENT: settlement.read,
    Matter.INTERCHANGE: interchange.read,
    Matter.DC_TIE_EMERGENCY: emergency.read,
    Matter.DER_AGGREGATION: der.read,
    Matter.RELAY_OPERATION: decision.read_operation,
    Matter.DISPATCH: decision.read,
    Matter.CURTAILMENT: decision.read,
    Matter.LOAD_SHED: decision.read,
    Matter.HANDOFF: handoff.read,
    Matter.EVALUATION: evaluation.read,
    Matter.CLAIM: claim.read,
    Matter.STANDING_RESIDUAL: residual.read,
}
EXAMINERS: Mapping[Matter, Examiner] = {
    Matter.SETTLEMENT: settlement.look,
    Matter.INTERCHANGE: interchange.look,
    Matter.DC_TIE_EMERGENCY: emergency.look,
    Matter.DER_AGGREGATION: der.look,
    Matter.RELAY_OPERATION: decision.look,
    Matter.DISPATCH: decision.look,
    Matter.CURTAILMENT: decision.look,
    Matter.LOAD_SHED: decision.look,
    Matter.HANDOFF: lent.look,
    Matter.EVALUATION: evaluation.look,
    Matter.STANDING_RESIDUAL: residual.look,
}
