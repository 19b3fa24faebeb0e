//! The boot sector's code, told where on the disk the bzImage is.

use anyhow::{Context, Result, ensure};

use super::boot_code::BootCode;

/// Bytes of code in a boot sector; the disk's signature and partition table follow.
pub const CODE_BYTES: usize = 440;
/// Bytes of a sector, as the BIOS counts them.
pub const SECTOR_BYTES: u64 = 512;

/// Where the code has the number of sectors to read (4 bytes).
const SECTORS_AT: usize = 420;
/// Where it has the first of them (8 bytes).
const FIRST_SECTOR_AT: usize = 432;

/// The first 440 bytes of a disk on which the bzImage of `kernel_bytes` lies in one piece from
/// sector `first_sector` on.
///
/// # Errors
/// When the boot code has another length, or the bzImage is too long for it.
pub fn master_code(
    boot: &BootCode,
    first_sector: u64,
    kernel_bytes: u64,
) -> Result<[u8; CODE_BYTES]> {
    let mut code: [u8; CODE_BYTES] =
        boot.master.as_slice().try_into().context("the boot sector's code has another length")?;
    let sectors = u32::try_from(kernel_bytes.div_ceil(SECTOR_BYTES))?;
    ensure!(sectors > 0, "there is no kernel to boot");
    code[SECTORS_AT..SECTORS_AT + 4].copy_from_slice(&sectors.to_le_bytes());
    code[FIRST_SECTOR_AT..].copy_from_slice(&first_sector.to_le_bytes());
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(bytes: usize) -> BootCode {
        BootCode { master: vec![0x90; bytes], setup: vec![], stub: vec![], writable_from: 0 }
    }

    #[test]
    fn says_where_the_kernel_is() {
        let code = master_code(&boot(440), 0x1_2345_6789, 1025).unwrap();
        assert_eq!(code[420..424], 3u32.to_le_bytes());
        assert_eq!(code[432..], 0x1_2345_6789_u64.to_le_bytes());
        assert!(code[..420].iter().all(|&byte| byte == 0x90));
    }

    #[test]
    fn refuses_what_cannot_be() {
        assert!(master_code(&boot(439), 1, 1).is_err());
        assert!(master_code(&boot(440), 1, 0).is_err());
        assert!(master_code(&boot(440), 1, 512 << 32).is_err());
    }
}
