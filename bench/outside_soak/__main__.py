"""`python -m bench.outside_soak [--executions 300] [--kills 10] [--seed 1]`; it fails where anything was wrong."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from bench.outside_soak.checks import findings, table
from bench.outside_soak.run import Plan, put_to_the_test
from core.settings import load_settings


def main() -> None:
    """One run, its table, and a failing status for findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=Plan.executions)
    parser.add_argument("--kills", type=int, default=Plan.kills)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(state_dir=Path(folder) / "state").model_copy(
            update={"execution_retry_s": 0.5, "execution_attempts": 12, "queue_visibility_s": 8.0}
        )
        plan = Plan(executions=options.executions, kills=options.kills, seed=options.seed)
        run = asyncio.run(put_to_the_test(settings, plan))
    sys.stdout.write(table(run) + "\n")
    sys.exit(1 if findings(run) else 0)


if __name__ == "__main__":
    main()
