"""What this machine has that vecsim needs, and what to do where something is missing or slow."""

from __future__ import annotations

from vecsim.operations.doctor.examination import examine
from vecsim.operations.doctor.finding import Finding

__all__ = ["Finding", "examine"]
