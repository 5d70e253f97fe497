"""The flow from references to committed vectors, as whole commands."""
