"""A card and a file that are in order, for tests to spoil."""

from typing import Any

from bayescale.datasets.card_record import Card, File

FILE: dict[str, Any] = {
    "name": "runs",
    "path": "toy/runs.csv",
    "url": "https://example.org/runs.csv",
    "sha256": "0" * 64,
    "bytes": 10,
}
CARD: dict[str, Any] = {
    "name": "toy",
    "title": "Toy",
    "description": "Three runs.",
    "paper": "none",
    "citation": "none",
    "licence": "none stated",
    "kind": "remote",
    "files": (File(**FILE),),
    "rows": 3,
    "columns": {"params": "parameters", "tokens": "tokens", "flops": "FLOP", "loss": "nats/token"},
    "params_count": "total",
    "cost": "6ND",
    "response": "loss",
    "response_unit": "nats/token",
    "laws": ("chinchilla",),
}


def toy(**change: Any) -> Card:
    """Toy card with some fields changed."""
    return Card(**CARD | change)
