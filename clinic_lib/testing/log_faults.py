"""Faults of the log: records that come again, later, out of order."""

import asyncio
import random
from dataclasses import dataclass

from clinic_lib.testing.faults import Fault
from clinic_lib.testing.ground import Ground
from clinic_lib.testing.log import publish_again, read_log

__all__ = ["Repeat"]


@dataclass(frozen=True, kw_only=True)
class Repeat(Fault):
    """Some records of the log come again `seconds` later, byte for byte, in any order."""

    words = "publish {records} records again after {seconds} s"
    records: int
    seconds: float = 0.0

    async def happen(self, ground: Ground) -> None:
        log = await read_log(ground.kafka)
        chosen = random.Random(self.at).sample(log, min(self.records, len(log)))
        await asyncio.sleep(self.seconds)
        await publish_again(ground.kafka, chosen)
        ground.history.published_again += len(chosen)
        ground.history.note(f"publish {len(chosen)} records again, {self.seconds} s late")
