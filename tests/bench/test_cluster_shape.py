"""The shape in which several local nodes are tried is production's, but for what it says."""

from bench.cluster.shape import MOST_REPLICAS, deployments_of, lower_bounds, shape, with_new_replicas


def test_only_what_is_told_differs_from_the_file() -> None:
    found = shape(18999)
    assert (found["proxy_location"], found["http_options"]["port"]) == ("HeadOnly", 18999)
    for deployment in deployments_of(found):
        scaling = deployment["autoscaling_config"]
        assert scaling["min_replicas"] <= scaling["max_replicas"] <= MOST_REPLICAS
        assert scaling["upscale_delay_s"] < 10
        assert deployment["max_queued_requests"] > 0
    assert set(lower_bounds(found).values()) == {2}


def test_an_update_changes_one_deployment_alone() -> None:
    before = shape(18999)
    after = with_new_replicas(before, "Execution")
    changed = [
        new["name"] for old, new in zip(deployments_of(before), deployments_of(after), strict=True) if old != new
    ]
    assert changed == ["Execution"]
    assert before == shape(18999)
