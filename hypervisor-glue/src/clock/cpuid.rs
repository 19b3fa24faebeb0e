//! What CPUID tells about the hypervisor and about frequencies.

use crate::limits::TSC_HZ;
use core::arch::x86_64::__cpuid;

/// The registers of one CPUID leaf: EAX, EBX, ECX, EDX.
type Leaf = [u32; 4];

const HYPERVISOR_PRESENT: u32 = 1 << 31;
const HYPERVISOR_BASE: u32 = 0x4000_0000;
/// Where KVM is when Hyper-V's leaves take the first place.
const SECOND_BASE: u32 = 0x4000_0100;

/// Who runs us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hypervisor {
    /// Nobody, or somebody who does not say.
    None,
    /// KVM.
    Kvm {
        /// Features of leaf 0x40000001 (Linux Documentation/virt/kvm/x86/cpuid.rst).
        features: u32,
        /// TSC and APIC timer frequencies of leaf 0x40000010, in kilohertz, 0 if not told.
        khz: [u32; 2],
    },
    /// QEMU's own emulation.
    Tcg,
    /// Another one.
    Other {
        /// As for KVM.
        khz: [u32; 2],
    },
}

impl Hypervisor {
    /// Asks the CPU who runs it.
    #[must_use]
    pub fn detect() -> Hypervisor {
        hypervisor_of(leaf)
    }

    /// Frequency of the local APIC timer before its divider, if this hypervisor fixes it: QEMU's
    /// emulation and KVM count nanoseconds.
    #[must_use]
    pub fn apic_timer_hz(&self) -> Option<u64> {
        const NANOSECONDS: u64 = 1_000_000_000;
        match *self {
            Hypervisor::Tcg => Some(NANOSECONDS),
            Hypervisor::Kvm { khz: [_, 0], .. } => Some(NANOSECONDS),
            Hypervisor::Kvm { khz: [_, apic], .. } => Some(u64::from(apic) * 1_000),
            Hypervisor::None | Hypervisor::Other { .. } => None,
        }
    }
}

/// The TSC's frequency in hertz, if CPUID tells it.
#[must_use]
pub fn tsc_hz(hypervisor: &Hypervisor) -> Option<u64> {
    tsc_hz_of(leaf, hypervisor)
}

fn leaf(number: u32) -> Leaf {
    let result = __cpuid(number);
    [result.eax, result.ebx, result.ecx, result.edx]
}

fn hypervisor_of(leaf: impl Fn(u32) -> Leaf) -> Hypervisor {
    if leaf(1)[2] & HYPERVISOR_PRESENT == 0 {
        return Hypervisor::None;
    }
    let frequencies = |base: u32, highest: u32| {
        if highest >= base + 0x10 {
            let [tsc, apic, ..] = leaf(base + 0x10);
            [tsc, apic]
        } else {
            [0, 0]
        }
    };
    for base in [HYPERVISOR_BASE, SECOND_BASE] {
        let [highest, b, c, d] = leaf(base);
        // Old KVM tells 0 for the highest leaf and means 0x40000001.
        let features = || leaf(base + 1)[0];
        match &name(b, c, d) {
            b"KVMKVMKVM\0\0\0" => {
                return Hypervisor::Kvm { features: features(), khz: frequencies(base, highest) };
            }
            b"TCGTCGTCGTCG" => return Hypervisor::Tcg,
            _ => {}
        }
    }
    let [highest, ..] = leaf(HYPERVISOR_BASE);
    Hypervisor::Other { khz: frequencies(HYPERVISOR_BASE, highest) }
}

fn name(b: u32, c: u32, d: u32) -> [u8; 12] {
    let mut name = [0; 12];
    for (part, register) in name.chunks_exact_mut(4).zip([b, c, d]) {
        part.copy_from_slice(&register.to_le_bytes());
    }
    name
}

fn tsc_hz_of(leaf: impl Fn(u32) -> Leaf, hypervisor: &Hypervisor) -> Option<u64> {
    let highest = leaf(0)[0];
    let ratio = if highest >= 0x15 { leaf(0x15) } else { [0; 4] };
    let [denominator, numerator, crystal_hz, _] = ratio.map(u64::from);
    let by_ratio = |crystal_hz: u64| crystal_hz.checked_mul(numerator)?.checked_div(denominator);
    let told = match *hypervisor {
        Hypervisor::Kvm { khz: [tsc, _], .. } | Hypervisor::Other { khz: [tsc, _] } => tsc,
        Hypervisor::None | Hypervisor::Tcg => 0,
    };
    // A CPU that tells the ratio but not the crystal tells its base frequency, which is the TSC's
    // (Intel SDM volume 3, section 20.7.3).
    let base_mhz = || if highest >= 0x16 { u64::from(leaf(0x16)[0] & 0xffff) } else { 0 };
    let base_hz = || if numerator != 0 { base_mhz() * 1_000_000 } else { 0 };
    let candidates = [by_ratio(crystal_hz).unwrap_or(0), u64::from(told) * 1_000, base_hz()];
    candidates.into_iter().find(|hz| TSC_HZ.contains(hz))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    fn cpu(leaves: &[(u32, Leaf)]) -> impl Fn(u32) -> Leaf + use<> {
        let leaves: BTreeMap<u32, Leaf> = leaves.iter().copied().collect();
        move |number| leaves.get(&number).copied().unwrap_or([0; 4])
    }

    fn called(name: &[u8; 12], highest: u32) -> Leaf {
        let word = |at: usize| u32::from_le_bytes(*name[at..].first_chunk().unwrap());
        [highest, word(0), word(4), word(8)]
    }

    #[test]
    fn hypervisors_are_told_by_their_names() {
        let there = (1, [0, 0, HYPERVISOR_PRESENT, 0]);
        assert_eq!(hypervisor_of(cpu(&[])), Hypervisor::None);
        let tcg = (HYPERVISOR_BASE, called(b"TCGTCGTCGTCG", 0x4000_0001));
        assert_eq!(hypervisor_of(cpu(&[there, tcg])), Hypervisor::Tcg);
        assert_eq!(hypervisor_of(cpu(&[tcg])), Hypervisor::None);
        let kvm = called(b"KVMKVMKVM\0\0\0", 0x4000_0010);
        let features = [0x0100_00fb, 0, 0, 0];
        let frequencies = [2_400_000, 1_000_000, 0, 0];
        let leaves = [
            there,
            (HYPERVISOR_BASE, kvm),
            (HYPERVISOR_BASE + 1, features),
            (HYPERVISOR_BASE + 0x10, frequencies),
        ];
        let found = hypervisor_of(cpu(&leaves));
        assert_eq!(found, Hypervisor::Kvm { features: 0x0100_00fb, khz: [2_400_000, 1_000_000] });
        assert_eq!(tsc_hz_of(cpu(&leaves), &found), Some(2_400_000_000));
        let second = [
            there,
            (HYPERVISOR_BASE, called(b"Microsoft Hv", 0x4000_000b)),
            (SECOND_BASE, called(b"KVMKVMKVM\0\0\0", 0)),
        ];
        assert_eq!(hypervisor_of(cpu(&second)), Hypervisor::Kvm { features: 0, khz: [0, 0] });
    }

    #[test]
    fn the_frequency_is_crystal_times_ratio_or_the_base_frequency() {
        let highest = (0, [0x16, 0, 0, 0]);
        let full = cpu(&[highest, (0x15, [2, 216, 24_000_000, 0])]);
        assert_eq!(tsc_hz_of(full, &Hypervisor::None), Some(2_592_000_000));
        let no_crystal = cpu(&[highest, (0x15, [2, 216, 0, 0]), (0x16, [2600, 0, 0, 0])]);
        assert_eq!(tsc_hz_of(no_crystal, &Hypervisor::None), Some(2_600_000_000));
        let only_base = cpu(&[highest, (0x16, [2600, 0, 0, 0])]);
        assert_eq!(tsc_hz_of(only_base, &Hypervisor::None), None);
        let old = cpu(&[(0, [0xd, 0, 0, 0]), (0x15, [2, 216, 24_000_000, 0])]);
        assert_eq!(tsc_hz_of(old, &Hypervisor::None), None);
        let odd = cpu(&[highest, (0x15, [1, u32::MAX, u32::MAX, 0])]);
        assert_eq!(tsc_hz_of(odd, &Hypervisor::None), None, "implausible");
    }

    proptest! {
        #[test]
        fn any_cpuid_gives_a_plausible_frequency_or_none(
            even in prop::array::uniform4(any::<u32>()),
            odd in prop::array::uniform4(any::<u32>()),
        ) {
            let leaf = |number: u32| if number.is_multiple_of(2) { even } else { odd };
            let hypervisor = hypervisor_of(leaf);
            prop_assert!(tsc_hz_of(leaf, &hypervisor).is_none_or(|hz| TSC_HZ.contains(&hz)));
        }
    }
}
