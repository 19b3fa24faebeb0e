//! yamux: many streams over one connection (hashicorp yamux specification).
