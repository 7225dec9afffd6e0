"""All that the functions share: jobs, tasks, the wait, the ledger, HTTP and texts."""
