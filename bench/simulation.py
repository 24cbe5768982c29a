"""Times the fast path of three options beside the full runs that it stands for, in one process on one core."""

from dataclasses import replace
from statistics import quantiles
from time import perf_counter, process_time

from core.labels import Urgency
from core.rules import RuleBook
from deployments.decision_simulation.resolver import REPLICATIONS
from deployments.decision_simulation.sampling import sample_completion, uniform_block
from deployments.decision_simulation.waiting import TableSettings, server_waits
from deployments.decision_simulation.workforce import server_models
from models.simulation.scenarios import Scenario, fast_job, full_hours

OPTIONS = ("plumbing-same-day-repair", "plumbing-scheduled-repair", "plumbing-contractor")
CALLS = 200
FULL_RUNS = 100


def measure(rules: RuleBook) -> dict[str, float]:
    """Milliseconds of the fast path (P50, P95, processor), of full runs for as many replications, and their ratio."""
    begin = 34.0
    scenarios = [Scenario(option, Urgency.MEDIUM, begin) for option in OPTIONS]
    models = server_models(rules)
    started = process_time()
    waits = {key: server_waits(model, {}, begin, TableSettings(), 1) for key, model in models.items()}
    tables_s = process_time() - started
    jobs = [fast_job(rules, scenario, models, waits) for scenario in scenarios]
    jobs = [replace(job, request=0) for job in jobs]
    sample_completion(jobs, [uniform_block(0, REPLICATIONS)])
    taken: list[float] = []
    started = process_time()
    for seed in range(CALLS):
        began = perf_counter()
        sample_completion(jobs, [uniform_block(seed, REPLICATIONS)])
        taken.append(perf_counter() - began)
    processor_ms = (process_time() - started) / CALLS * 1e3
    started = process_time()
    for scenario in scenarios:
        full_hours(rules, scenario, models, FULL_RUNS, 1)
    full_ms = (process_time() - started) / FULL_RUNS * REPLICATIONS * 1e3
    cuts = quantiles(taken, n=20)
    return {
        "fast_p50_ms": cuts[9] * 1e3,
        "fast_p95_ms": cuts[18] * 1e3,
        "fast_processor_ms": processor_ms,
        "full_processor_ms": full_ms,
        "ratio": full_ms / processor_ms,
        "table_ms_per_server": tables_s / len(models) * 1e3,
    }


if __name__ == "__main__":
    from kb.compile import compile_documents

    for name, value in measure(compile_documents()).items():
        print(f"{name:22} {value:12.2f}")
