"""The differences between endpoints that call themselves OpenAI-compatible, one module each.

- `presets`: what a vendor's endpoint is asked with
- `replies`: what a 200 holds, and how the model came to stop
- `unwrap`: what is around an answer and none of it
- `error_bodies`: what an error says, read without keeping a word of it
- `kinds`: the one table that tells errors apart
- `waits`: when to come back, in whatever form an endpoint says it
- `outcomes`: what all of it comes to
"""
