"""Personal data: what a table seems to hold of it, what is declared of it, and pseudonyms."""
