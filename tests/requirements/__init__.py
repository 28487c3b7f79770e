"""The rows that the product is built to, and how far each of them is proven."""
