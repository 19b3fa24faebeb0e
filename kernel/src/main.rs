//! `aerolith`: the unikernel.
//!
//! Boots the machine ([`hypervisor_glue`]), then runs the node on it. Only the machine half of the
//! room is here; the node itself is the library, which knows no machine.
#![no_std]
#![no_main]

extern crate alloc;

mod unikernel;
