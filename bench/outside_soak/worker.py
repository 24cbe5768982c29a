"""One process that carries out commands until it is killed: `python -m bench.outside_soak.worker STATE_FOLDER`."""

import asyncio
import sys
from pathlib import Path

from core.correlation import configure_logging
from core.settings import load_settings
from deployments.execution.deployment import open_service


async def carry_out(state_dir: Path) -> None:
    """Take work from the queues in this folder, for ever."""
    configure_logging()
    service = open_service(load_settings(state_dir=state_dir))
    service.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(carry_out(Path(sys.argv[1])))
