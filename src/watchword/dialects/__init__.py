"""Other people's files, argument lists and log lines to the model and back; text in, text out."""
