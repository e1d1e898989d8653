"""What an agent may have done in this house."""
