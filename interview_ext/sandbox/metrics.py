"""What a server's sandboxes tell Prometheus; ``docs/how-to/watch.md`` explains the figures."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CLAIM_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class SandboxMetrics:
    """Counters, gauges and histograms in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.warm = Gauge(
            "interview_sandbox_pool_warm",
            "Sandboxes that wait, their kernel answering",
            ["profile"],
            registry=registry,
        )
        self.target = Gauge(
            "interview_sandbox_pool_target",
            "Sandboxes that should wait",
            ["profile"],
            registry=registry,
        )
        self.waiting = Gauge(
            "interview_sandbox_claims_waiting",
            "Claims that wait because all sandboxes are taken",
            ["profile"],
            registry=registry,
        )
        self.live = Gauge(
            "interview_sandboxes",
            "Sandboxes that live or start, warm ones included",
            registry=registry,
        )
        self.claims = Counter(
            "interview_sandbox_claims",
            "Claims that have ended: warm, cold, waited for a place, or failed",
            ["profile", "kind"],
            registry=registry,
        )
        self.claim_seconds = Histogram(
            "interview_sandbox_claim_seconds",
            "From a claim to a sandbox whose kernel answers",
            ["profile", "kind"],
            buckets=CLAIM_BUCKETS_S,
            registry=registry,
        )
        self.deaths = Counter(
            "interview_sandbox_deaths", "Sandboxes that ended", ["reason"], registry=registry
        )
