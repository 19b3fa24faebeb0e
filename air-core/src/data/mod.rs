//! Particle data: trace, stores, identifiers, archive, envelope, signatures, call codecs.
