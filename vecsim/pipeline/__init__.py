"""References in, embedded images and failures out, in the same order and in bounded memory."""

from vecsim.pipeline.embedding import EmbeddingLookup, KnownEmbedding, Wanted
from vecsim.pipeline.pipeline import Pipeline, PipelineOptions

__all__ = ["EmbeddingLookup", "KnownEmbedding", "Pipeline", "PipelineOptions", "Wanted"]
