"""What a user's table holds, as far as its values say: the facts of a first pipeline file."""
