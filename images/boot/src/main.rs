//! `aerolith-boot`: what stands before the kernel in bootable files.
//!
//! Nothing here is a program of its own: `cargo xtask` cuts the sections out and builds boot
//! sectors and bzImages of them (`xtask/src/image`). What they decide is in the library.
#![no_std]
#![no_main]

mod stub;
