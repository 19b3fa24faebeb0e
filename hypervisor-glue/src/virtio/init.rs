//! The first steps with every virtio device: reset and feature negotiation (virtio 1.2 section 3.1.1), all bounded.

use crate::limits::{VIRTIO_CONFIG_RETRIES, VIRTIO_RESET_POLLS};
use core::fmt;
use virtio_drivers::transport::{DeviceStatus, Transport};

/// Feature bit: the device follows virtio 1.0 or later.
pub const VERSION_1: u64 = 1 << 32;

/// Why a device cannot be driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitError {
    /// It does not come out of reset.
    Reset,
    /// It does not agree to the features that it offered, or lacks one that we need.
    Features,
    /// Its configuration space is too small, or never stands still.
    Config,
    /// A queue is missing, too short, or there is no memory for it.
    Queue(virtio_drivers::Error),
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitError::Reset => f.write_str("the device does not come out of reset"),
            InitError::Features => f.write_str("no agreement on features"),
            InitError::Config => f.write_str("the configuration cannot be read"),
            InitError::Queue(error) => write!(f, "queue: {error}"),
        }
    }
}

/// Resets the device and waits, within a bound, until it says that it has.
///
/// # Errors
///
/// [`InitError::Reset`] if the status never becomes zero.
pub fn reset(transport: &mut impl Transport) -> Result<(), InitError> {
    transport.set_status(DeviceStatus::empty());
    for _ in 0..VIRTIO_RESET_POLLS {
        if transport.get_status() == DeviceStatus::empty() {
            return Ok(());
        }
        core::hint::spin_loop();
    }
    Err(InitError::Reset)
}

/// Resets the device and agrees on those of the `wanted` features that it offers; the result is what was agreed.
///
/// # Errors
///
/// [`InitError`], and the device knows that it is not used.
pub fn negotiate(transport: &mut impl Transport, wanted: u64) -> Result<u64, InitError> {
    reset(transport)?;
    let known = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
    transport.set_status(DeviceStatus::ACKNOWLEDGE);
    transport.set_status(known);
    let agreed = transport.read_device_features() & wanted;
    transport.write_driver_features(agreed);
    let modern = agreed & VERSION_1 != 0;
    if !modern && !transport.requires_legacy_layout() {
        transport.set_status(DeviceStatus::FAILED);
        return Err(InitError::Features);
    }
    if modern {
        transport.set_status(known | DeviceStatus::FEATURES_OK);
        if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
            transport.set_status(DeviceStatus::FAILED);
            return Err(InitError::Features);
        }
    }
    transport.set_guest_page_size(4096);
    Ok(agreed)
}

/// Tells the device that its queues are ready.
pub fn finish(transport: &mut impl Transport, agreed: u64) {
    let mut status = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER | DeviceStatus::DRIVER_OK;
    if agreed & VERSION_1 != 0 {
        status |= DeviceStatus::FEATURES_OK;
    }
    transport.set_status(status);
}

/// Reads from configuration space until it did not change meanwhile.
///
/// # Errors
///
/// [`InitError::Config`] if it is too small or changes at each of [`VIRTIO_CONFIG_RETRIES`] attempts.
pub fn read_config<T: Transport, R>(
    transport: &T,
    read: impl Fn(&T) -> virtio_drivers::Result<R>,
) -> Result<R, InitError> {
    for _ in 0..VIRTIO_CONFIG_RETRIES {
        let before = transport.read_config_generation();
        let value = read(transport).map_err(|_| InitError::Config)?;
        if transport.read_config_generation() == before {
            return Ok(value);
        }
    }
    Err(InitError::Config)
}
