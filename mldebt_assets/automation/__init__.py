"""What happens by itself: what arrives, what is decided, what is tried again, what has died."""
