//! The first steps with every virtio device: reset and feature negotiation (virtio 1.2 section
//! 3.1.1), all bounded.

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

/// Resets the device and agrees on those of the `wanted` features that it offers; the result is
/// what was agreed.
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

/// Tells the device to stop if what came after [`negotiate`] failed, and passes that on.
///
/// # Errors
///
/// That of `result`, or [`InitError::Reset`] if the device does not stop.
pub fn stop_on_error<R>(
    transport: &mut impl Transport,
    result: Result<R, InitError>,
) -> Result<R, InitError> {
    if result.is_err() {
        reset(transport)?;
    }
    result
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
/// [`InitError::Config`] if it is too small or changes at each of [`VIRTIO_CONFIG_RETRIES`]
/// attempts.
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

#[cfg(test)]
mod tests {
    use super::super::testing::FakeTransport;
    use super::*;
    use core::cell::Cell;
    use virtio_drivers::transport::DeviceType;

    fn device(offered: u64) -> FakeTransport {
        FakeTransport::new(DeviceType::Network, offered, &[], &[1, 2])
    }

    #[test]
    fn a_reset_may_take_as_many_looks_as_the_limit() {
        for (reads, expected) in
            [(VIRTIO_RESET_POLLS - 1, Ok(())), (VIRTIO_RESET_POLLS, Err(InitError::Reset))]
        {
            let mut device = device(0);
            device.0.borrow_mut().reset_reads = Some(reads);
            assert_eq!(reset(&mut device), expected);
        }
    }

    #[test]
    fn only_what_is_wanted_and_offered_is_agreed() {
        let mut modern = device(VERSION_1 | 0b1100);
        assert_eq!(negotiate(&mut modern, VERSION_1 | 0b0110), Ok(VERSION_1 | 0b0100));
        assert_eq!(modern.0.borrow().taken, VERSION_1 | 0b0100);
        finish(&mut modern, VERSION_1);
        assert!(modern.get_status().contains(DeviceStatus::FEATURES_OK | DeviceStatus::DRIVER_OK));
    }

    #[test]
    fn an_old_device_is_only_spoken_to_in_the_old_way() {
        let mut old = device(0b1100);
        assert_eq!(negotiate(&mut old, VERSION_1), Err(InitError::Features));
        old.0.borrow_mut().legacy = true;
        assert_eq!(negotiate(&mut old, VERSION_1), Ok(0));
        finish(&mut old, 0);
        assert!(!old.get_status().contains(DeviceStatus::FEATURES_OK));
    }

    #[test]
    fn a_device_whose_start_failed_is_told_to_stop() {
        let mut device = device(VERSION_1);
        negotiate(&mut device, VERSION_1).unwrap();
        assert_eq!(stop_on_error(&mut device, Ok(1)), Ok(1));
        assert_ne!(device.get_status(), DeviceStatus::empty());
        let failed: Result<(), _> = Err(InitError::Config);
        assert_eq!(stop_on_error(&mut device, failed), Err(InitError::Config));
        assert_eq!(device.get_status(), DeviceStatus::empty());
    }

    #[test]
    fn configuration_that_changes_is_read_again_up_to_the_limit() {
        let restless = device(0);
        let reads = Cell::new(0);
        let read = |quiet_from: u32| {
            reads.set(0);
            restless.0.borrow_mut().config_restless = 1;
            read_config(&restless, |device| {
                reads.set(reads.get() + 1);
                if reads.get() >= quiet_from {
                    device.0.borrow_mut().config_restless = 0;
                }
                device.read_config_space::<u8>(1)
            })
        };
        assert_eq!(read(VIRTIO_CONFIG_RETRIES), Ok(2));
        assert_eq!(read(VIRTIO_CONFIG_RETRIES + 1), Err(InitError::Config));
    }
}
