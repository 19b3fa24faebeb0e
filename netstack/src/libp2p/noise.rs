//! Noise XX: both sides prove who they are, then everything is encrypted (libp2p noise specification).
