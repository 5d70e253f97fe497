"""Pairs as one HTML file that opens anywhere: pictures, scores, marks; no network, no server."""

from vecsim.render.report.writer import MOST_PAIRS, ReportHead, ReportWriter, open_report

__all__ = ["MOST_PAIRS", "ReportHead", "ReportWriter", "open_report"]
