"""What several test folders share: nothing here is a test."""
