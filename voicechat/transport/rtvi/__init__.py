"""RTVI, the protocol of Pipecat's clients."""
