"""The client's view: HTTP, the status document, its words, the tokens for push."""
