//! Who signed what.

use air_core::Signatures;
use air_core::data::{ParticleData, signed_parts, verify};

/// Appends the signers, and whether what they signed is what the trace says.
pub(super) fn write(out: &mut String, data: &ParticleData, particle_id: Option<&str>) {
    out.push_str("\nsigned by\n");
    match signed_parts(data, particle_id.unwrap_or_default()) {
        Ok(parts) => {
            for part in parts {
                let verdict = match (particle_id, part.is_valid) {
                    (None, _) => "not verified (needs --particle-id)",
                    (Some(_), true) => "valid",
                    (Some(_), false) => "WRONG",
                };
                let count = part.cids.len();
                out.push_str(&format!("  {}: {count} results, {verdict}\n", part.peer_id));
            }
        }
        Err(error) => out.push_str(&format!("  cannot be said: {error}\n")),
    }
    if let Some(particle_id) = particle_id {
        let verdict = verify(&ParticleData::default(), data, particle_id, Signatures::Checked);
        match verdict {
            Ok(_) => out.push_str("another peer accepts these data\n"),
            Err(error) => {
                let (code, message) = error.into();
                out.push_str(&format!("another peer refuses these data: {code}, {message}\n"));
            }
        }
    }
}
