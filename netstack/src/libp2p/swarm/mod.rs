//! The swarm: which peers are connected, how they are reached, what is sent to them.
