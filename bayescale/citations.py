"""Papers that laws, claims and methods refer to, as BibTeX."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

EPRINT = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


@dataclass(frozen=True)
class Paper:
    """A paper on arXiv: its first author, its year and its title."""

    author: str
    year: int
    title: str


PAPERS = {
    "1712.00409": Paper("Hestness", 2017, "Deep Learning Scaling is Predictable, Empirically"),
    "2001.08361": Paper("Kaplan", 2020, "Scaling Laws for Neural Language Models"),
    "2005.14165": Paper("Brown", 2020, "Language Models are Few-Shot Learners"),
    "2010.14701": Paper("Henighan", 2020, "Scaling Laws for Autoregressive Generative Modeling"),
    "2203.15556": Paper("Hoffmann", 2022, "Training Compute-Optimal Large Language Models"),
    "2209.06640": Paper(
        "Alabdulmohsin", 2022, "Revisiting Neural Scaling Laws in Language and Vision"
    ),
    "2210.14891": Paper("Caballero", 2022, "Broken Neural Scaling Laws"),
    "2303.08774": Paper("OpenAI", 2023, "GPT-4 Technical Report"),
    "2305.06466": Paper("Giordano", 2023, "The Bayesian Infinitesimal Jackknife for Variance"),
    "2305.16264": Paper("Muennighoff", 2023, "Scaling Data-Constrained Language Models"),
    "2401.00448": Paper(
        "Sardana",
        2024,
        "Beyond Chinchilla-Optimal: Accounting for Inference in Language Model Scaling Laws",
    ),
    "2403.08540": Paper(
        "Gadre",
        2024,
        "Language models scale reliably with over-training and on downstream tasks",
    ),
    "2404.10102": Paper("Besiroglu", 2024, "Chinchilla Scaling: A Replication Attempt"),
    "2405.10938": Paper(
        "Ruan",
        2024,
        "Observational Scaling Laws and the Predictability of Language Model Performance",
    ),
    "2406.19146": Paper(
        "Porian", 2024, "Resolving Discrepancies in Compute-Optimal Scaling of Language Models"
    ),
    "2407.21783": Paper("Grattafiori", 2024, "The Llama 3 Herd of Models"),
    "2408.11029": Paper("Tissue", 2024, "Scaling Law with Learning Rate Annealing"),
    "2411.12925": Paper(
        "Brandfonbrener", 2024, "Loss-to-Loss Prediction: Scaling Laws for All Datasets"
    ),
    "2412.04403": Paper(
        "Bhagia", 2024, "Establishing Task Scaling Laws via Compute-Efficient Model Ladders"
    ),
    "2502.06857": Paper("McLeish", 2025, "Gemstones: A Model Suite for Multi-Faceted Scaling Laws"),
    "2502.18969": Paper("Li", 2025, "(Mis)Fitting: A Survey of Scaling Laws"),
    "2503.12811": Paper(
        "Luo",
        2025,
        "A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules",
    ),
    "2509.23963": Paper(
        "Schaeffer", 2025, "Evaluating the Robustness of Chinchilla Compute-Optimal Scaling"
    ),
}
"""By their number on arXiv. What a law or a claim refers to has to stand here."""

JACKKNIFE, CHECKLIST = "arXiv:2305.06466", "arXiv:2502.18969"


def eprints(references: Iterable[str]) -> list[str]:
    """Numbers on arXiv that texts name, each once, in their order."""
    return list(dict.fromkeys(found for text in references for found in EPRINT.findall(text)))


def bibtex(references: Iterable[str]) -> str:
    """BibTeX entries of the papers that texts refer to by their number on arXiv.

    Parameters
    ----------
    references : iterable of str
        Such as the `reference` of a law and of its claims.

    Examples
    --------
    >>> print(bibtex(["Kaplan et al. (2020), arXiv:2001.08361, eq. 1.5"]))
    @misc{kaplan2020,
      author = {Kaplan and others},
      title = {{Scaling Laws for Neural Language Models}},
      year = {2020},
      eprint = {2001.08361},
      archivePrefix = {arXiv},
    }
    """
    return "\n\n".join(_entry(found) for found in eprints(references) if found in PAPERS)


def _entry(eprint: str) -> str:
    paper = PAPERS[eprint]
    others = "" if paper.author == "OpenAI" else " and others"
    lines = {
        "author": f"{paper.author}{others}",
        "title": f"{{{paper.title}}}",
        "year": paper.year,
        "eprint": eprint,
        "archivePrefix": "arXiv",
    }
    fields = "".join(f"  {name} = {{{value}}},\n" for name, value in lines.items())
    return f"@misc{{{paper.author.lower()}{paper.year},\n{fields}}}"
