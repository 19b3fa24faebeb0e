//! The node: programs, particles, services, metrics.
#![no_std]
#![forbid(unsafe_code)]
