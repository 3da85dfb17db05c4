"""Tables as batches: rows, moments, inference in blocks, codes."""
