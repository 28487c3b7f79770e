"""The values that every room speaks: frozen, validated, without behaviour of their own."""
