"""`make sam-local`: the API under `sam local start-api`, the worker under `sam local start-lambda`.

For whoever has Docker and wants the functions in Lambda's own image. `sam build` builds them;
table, queue, users and secrets are the emulator's. SAM triggers nothing from a queue: here the
messages are received and handed to the worker. What it lacks beside `make run`: push, the roles'
policies (the functions may do everything here), and the gateway's authorizer, which SAM leaves out.
So a front stands before it that lets in the tokens that it gave away, and a module beside each
function, in the build alone, reads the user from the token as the gateway would.
"""
