"""`make load`: thousands of open jobs and their polls, beside FastAPI and Redis."""
