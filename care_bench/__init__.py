"""care_bench: is this representation really equivariant, and does the paper's number hold?

Benchmark and theory verification for *Structuring Representation Geometry with Rotationally Equivariant
Contrastive Learning* (CARE, ICLR 2024, arXiv 2306.13924).
"""

__version__ = "0.1.0"
