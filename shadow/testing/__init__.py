"""What the tests of several folders share: servers, a network that fails, and a legacy world with a real beat."""
