"""The proof that a version can be trained again: recorded code, pinned data, a fresh process."""
