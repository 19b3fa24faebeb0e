//! The partitions of a disk by GUID partition table (UEFI 2.10, section 5.3).

/// A GUID as it is on the disk: the first three groups little-endian, the others as written.
pub type Guid = [u8; 16];

/// Type of the partition that holds the node's configuration: the blob of
/// [`Config::encode`](crate::config::Config::encode) at its beginning, the rest zeros.
/// `AE201170-C0F1-4A1E-8E55-0A11D15C0001`.
pub const CONFIGURATION: Guid = guid(0xAE20_1170, 0xC0F1, 0x4A1E, 0x8E55_0A11_D15C_0001);

/// Type of the partition that holds programs: a bundle at its beginning, the rest zeros.
/// `AE201170-C0F1-4A1E-8E55-0A11D15C0002`.
pub const PROGRAMS: Guid = guid(0xAE20_1170, 0xC0F1, 0x4A1E, 0x8E55_0A11_D15C_0002);

/// Type of the partition that is a volume of the node.
/// `AE201170-C0F1-4A1E-8E55-0A11D15C0003`.
pub const VOLUME: Guid = guid(0xAE20_1170, 0xC0F1, 0x4A1E, 0x8E55_0A11_D15C_0003);

/// A GUID from its groups, the last two together.
#[must_use]
pub const fn guid(first: u32, second: u16, third: u16, last: u64) -> Guid {
    let (a, b, c, d) =
        (first.to_le_bytes(), second.to_le_bytes(), third.to_le_bytes(), last.to_be_bytes());
    [a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}
