"""The interoperability matrix: two clients, two servers, and everything they can say."""
