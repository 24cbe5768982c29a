"""How fast a message is assessed, and how much memory a replica takes."""

import subprocess
import sys

from pydantic import BaseModel, ConfigDict


class SpeedFigures(BaseModel):
    """What `models.text.replica` measured; CPU times, and `wall_` for times by the clock."""

    model_config = ConfigDict(frozen=True)

    messages: float
    p50_ms: float
    wall_p50_ms: float
    per_second: float
    """Messages a second and core in batches of 32."""
    wall_per_second: float
    peak_mib: float
    """The most memory that the process ever held, Serve's own included."""
    load: float
    """How many processes wanted a core at the time."""
    cores: float


def measure_speed() -> SpeedFigures:
    """In a process of its own; some half minute. Raises `CalledProcessError`."""
    done = subprocess.run([sys.executable, "-m", "models.text.replica"], check=True, stdout=subprocess.PIPE, text=True)
    return SpeedFigures.model_validate_json(done.stdout.splitlines()[-1])
