"""Try an installed bayescale from a folder that has nothing of it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from bayescale import datasets


def shell(*words: str) -> str:
    """Run bayescale and return what it prints; any other status than 0 ends the smoke test."""
    done = subprocess.run(["bayescale", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bayescale {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


print(shell("--version").strip())

params, ratio = map(np.ravel, np.meshgrid(np.geomspace(1e8, 1e10, 9), np.geomspace(2, 200, 8)))
tokens = params * ratio
noise = np.exp(0.005 * np.random.default_rng(1).standard_normal(params.size))
loss = (1.8 + 480 / params**0.35 + 2100 / tokens**0.37) * noise
table = np.column_stack([params, tokens, loss])
np.savetxt("tiny.csv", table, delimiter=",", header="params,tokens,loss", comments="")

fitted = json.loads(shell("fit", "tiny.csv", "--law", "chinchilla", "--out", "tiny.nc", "--json"))
assert fitted["runs"] == 72, fitted
assert fitted["verdict"]["trusted"], fitted
best = json.loads(shell("optimum", "tiny.nc", "--flops", "1e22", "--json"))
assert best["budgets"][0]["N_opt"]["lower"] < best["budgets"][0]["N_opt"]["upper"], best
print("fit and optimum on a tiny table: good")

shell("report", "tiny.nc", "--out", "tiny.html")
page = Path("tiny.html").read_text()
assert page.startswith("<!doctype html>"), page[:100]
assert page.count("<svg") >= 7, page.count("<svg")
print("report of a saved fit: good")

listed = json.loads(shell("datasets", "--json"))
assert [entry["name"] for entry in listed] == datasets.catalogue()["name"].tolist()
for entry in listed:
    assert str(datasets.card(entry["name"])).startswith(f"{entry['name']}: {entry['title']}")
    if entry["kind"] == "shipped":
        assert len(datasets.load(entry["name"])) == entry["rows"], entry
assert "licence   none stated" in shell("datasets", "chinchilla")
print(f"{len(listed)} dataset cards: readable")
assert Path("tiny.nc").is_file()
