"""From text to a syntax tree: the grammar, the tree, what is said of a line that cannot be read."""
