//! From Ethernet frame to particle.
#![no_std]
#![forbid(unsafe_code)]
