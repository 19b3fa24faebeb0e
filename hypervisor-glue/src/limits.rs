//! Bounds on everything that the machine tells us.
//!
//! Firmware tables, configuration space, device rings and command-line words come from the
//! hypervisor: each walk over them ends at one of these numbers, whatever the bytes say.

// PCI

/// PCI functions that one walk reports; the rest of the machine is ignored with a warning.
pub const PCI_FUNCTIONS: usize = 256;
/// Entries that are followed in one capability list: 192 bytes of list space hold at most 48
/// aligned headers.
pub const PCI_CAPABILITIES: usize = 48;
/// Smallest address that is given to an unassigned BAR: the lowest start of the 32-bit PCI hole on
/// the machines we know.
pub const PCI_WINDOW_START: u64 = 0xc000_0000;
/// End (exclusive) of the range that is given to unassigned BARs: the I/O APICs begin here.
pub const PCI_WINDOW_END: u64 = 0xfec0_0000;
/// Largest memory BAR that is mapped or assigned, in bytes. virtio devices need some KiB.
pub const PCI_BAR_BYTES: u64 = 16 << 20;

// virtio

/// virtio-mmio devices that are taken from the command line and ACPI together (QEMU's microvm has
/// 24 slots).
pub const VIRTIO_MMIO_DEVICES: usize = 32;
/// Largest register window of a virtio-mmio device, in bytes (512 on QEMU, 4096 on Firecracker).
pub const VIRTIO_MMIO_BYTES: u64 = 64 << 10;
/// Reads of the status register after a reset before the device counts as dead.
pub const VIRTIO_RESET_POLLS: u32 = 10_000;
/// Attempts to read a configuration field that changes while it is read.
pub const VIRTIO_CONFIG_RETRIES: u32 = 16;
/// Descriptors, and therefore frames, in each direction of a network device.
pub const NET_QUEUE_SIZE: usize = 64;
/// Largest Ethernet frame, in bytes: 14 of header and the usual 1500.
pub const NET_FRAME_BYTES: usize = 1514;
/// One frame buffer, in bytes: virtio-net header (at most 12) and frame, rounded up to a cache
/// line.
pub const NET_BUFFER_BYTES: usize = 1536;
/// Free transmit buffers below which finished ones are collected: collecting re-arms the device's
/// interrupt.
pub const NET_RECLAIM_BELOW: usize = NET_QUEUE_SIZE / 4;
/// Smallest IP MTU that a device may ask for, in bytes (IPv6 needs 1280, RFC 8200 section 5).
pub const NET_MTU_MIN: u16 = 1280;
/// Packets that the socket device may give us at once.
pub const VSOCK_RECEIVE_SLOTS: usize = 32;
/// The largest of them, in bytes, with its header of 44.
pub const VSOCK_RECEIVE_BYTES: usize = 8 << 10;
/// Packets that the socket device may have of ours at once.
pub const VSOCK_TRANSMIT_SLOTS: usize = 8;
/// The largest of them, in bytes, with its header of 44: a host reads some answers in one go, of one packet.
pub const VSOCK_TRANSMIT_BYTES: usize = 64 << 10;
/// Events of the socket device that wait.
pub const VSOCK_EVENT_SLOTS: usize = 4;
/// One of them, in bytes (virtio 1.2 section 5.10.6.7 has events of 4).
pub const VSOCK_EVENT_BYTES: usize = 64;

/// Requests that one disk works on at once.
pub const BLK_REQUESTS: usize = 4;
/// Descriptors of a disk's queue: three for each request.
pub const BLK_QUEUE_SIZE: usize = 16;
/// Most data of one request to a disk, in bytes; longer operations are several requests.
pub const BLK_REQUEST_BYTES: usize = 32 << 10;
/// A disk that does not answer a request for so long is dead, in microseconds.
pub const BLK_ANSWER_MICROS: u64 = 30_000_000;
/// Sectors of the largest disk: 8 EiB. What is beyond is not used.
pub const BLK_SECTORS: u64 = 1 << 54;
/// Disks that are used; the rest of the machine's are ignored with a warning.
pub const BLK_DEVICES: usize = 16;

// ACPI

/// Tables that are followed from the RSDT or XSDT.
pub const ACPI_TABLES: usize = 64;
/// Largest table that is read, in bytes (QEMU's DSDT has about 8 KiB).
pub const ACPI_TABLE_BYTES: usize = 1 << 20;
/// I/O APICs, interrupt overrides and ECAM regions that are kept, each.
pub const ACPI_ENTRIES: usize = 32;
/// Bytes after a virtio-mmio `_HID` in which its `_CRS` is looked for.
pub const AML_DEVICE_SPAN: usize = 256;

/// Reads of the PM1 control register while the machine brings ACPI into force.
pub const ACPI_ENABLE_POLLS: u32 = 1_000;

// keyboard controller

/// Reads of its status while an answer is waited for; emulated ones answer at once.
pub const KEYBOARD_POLLS: u32 = 100;
/// Bytes that are taken from it in one go.
pub const KEYBOARD_BYTES: u32 = 64;

// fw_cfg

/// Items of the fw_cfg directory that are looked at.
pub const FW_CFG_ITEMS: u32 = 256;
/// Largest fw_cfg item that is read, in bytes.
pub const FW_CFG_ITEM_BYTES: usize = 256 << 10;

// clock

/// Time over which the TSC is measured against another timer, in microseconds.
pub const CALIBRATION_MICROS: u64 = 1_000;
/// Readings of another timer in one calibration, after which it counts as useless.
pub const CALIBRATION_READS: u32 = 500_000;
/// Equal readings in a row after which another timer counts as stopped or absent.
pub const CALIBRATION_STUCK_READS: u32 = 1_000;
/// Plausible TSC frequencies, in hertz; anything else is a broken source.
pub const TSC_HZ: core::ops::RangeInclusive<u64> = 10_000_000..=20_000_000_000;
/// Frequency of the local APIC timer that is assumed when it cannot be measured, in hertz.
pub const APIC_TIMER_HZ_ASSUMED: u64 = 1_000_000_000;
/// Frequency that is assumed when nothing tells it, in hertz.
pub const TSC_HZ_ASSUMED: u64 = 2_000_000_000;
/// Reads of the RTC's status register while an update is in progress (an update lasts at most 2
/// ms).
pub const RTC_POLLS: u32 = 20_000;
/// Readings of the RTC's seconds while two changes are waited for: some seconds' worth where each
/// is an exit to a hypervisor.
pub const RTC_SECOND_READS: u32 = 4_000_000;
/// Attempts to get two equal readings of the RTC.
pub const RTC_RETRIES: u32 = 8;
/// Turns of the seqlock of a kvmclock page before the last good value is used again.
pub const PVCLOCK_RETRIES: u32 = 1_000;

// entropy

/// Attempts of one RDRAND or RDSEED (Intel's guide asks for 10 of RDRAND; RDSEED may fail more
/// often).
pub const RDRAND_RETRIES: u32 = 32;
/// Bytes that the generator gives between two reseedings.
pub const CSPRNG_RESEED_BYTES: u64 = 1 << 20;
/// Longest wait for virtio-rng, in microseconds.
pub const RNG_WAIT_MICROS: u64 = 100_000;
