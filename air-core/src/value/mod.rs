//! JSON values, tetraplets and provenance.
