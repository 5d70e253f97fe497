"""What vecsim can do, one function each; the faces parse, call one of these, and render."""
