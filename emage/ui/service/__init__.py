"""The work behind the page: users and their files, the queue, the registry of weights."""
