"""Pairs as one HTML file that opens anywhere: pictures, scores, marks; no network, no server."""
