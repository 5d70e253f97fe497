"""References in, embedded images and failures out, in the same order and in bounded memory."""

from vecsim.pipeline.flow import Pipeline
from vecsim.pipeline.known import Known

__all__ = ["Known", "Pipeline"]
