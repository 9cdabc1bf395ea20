"""What the executor does with messages, rows, barrier, letters, sagas and keys, on whatever storage it stands.

`ExecutorContract` has the tests; who inherits from it says by the fixture `ground` where they run.
"""

from tests.core.contract.barrier import BarrierContract, Note
from tests.core.contract.commands import CommandContract, OutboxContract, ViewContract
from tests.core.contract.letters import LetterContract, RefusalContract
from tests.core.contract.messages import MessageContract
from tests.core.contract.sagas import SagaContract

__all__ = ["ExecutorContract", "Note"]


class ExecutorContract(
    MessageContract,
    BarrierContract,
    LetterContract,
    RefusalContract,
    ViewContract,
    CommandContract,
    SagaContract,
    OutboxContract,
):
    """One executor, whatever stores what it decides."""
