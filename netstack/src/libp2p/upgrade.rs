//! From a fresh connection to a secured one that is ready for yamux.
