"""What agents that ask a chat server share: a conversation as it is sent, an answer as it comes."""
