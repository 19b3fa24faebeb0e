//! The AIR language and its interpreter.
#![no_std]
#![forbid(unsafe_code)]
