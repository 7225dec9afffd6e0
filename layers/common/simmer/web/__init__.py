"""What a client sees: HTTP in and out, the status document, the words, the right to be pushed."""
