"""What resolvers answer to the question which address we are seen under: bytes to values."""
