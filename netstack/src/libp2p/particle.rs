//! `/fluence/particle/2.0.0`: the message and its framing.
