//! Everything that knows which machine we run on.
#![no_std]
