"""What we compare with: the same work done by others, driven the same way."""
