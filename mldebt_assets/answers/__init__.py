"""Questions that are answered from what is stored: the commands print them."""
