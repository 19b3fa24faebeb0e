//! Where in a file the data are: raw bytes, base64, or a line of JSON.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Which;

/// Data that were found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub data: Vec<u8>,
    /// If the file says it.
    pub particle_id: Option<String>,
}

/// Finds the data. `line` counts from 1 and only matters for JSON, as `which` does.
pub(super) fn find(file: &[u8], line: usize, which: Option<Which>) -> Result<Source> {
    let Some(text) = std::str::from_utf8(file).ok().map(str::trim) else {
        return Ok(Source { data: file.to_vec(), particle_id: None });
    };
    if text.starts_with('{') {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let line = lines.nth(line.saturating_sub(1)).context("there is no such line")?;
        return in_json(&serde_json::from_str(line).context("the line is not JSON")?, which);
    }
    // Raw data begin with a byte that is no UTF-8, so a text can only be base64.
    let data = STANDARD.decode(text).context("neither particle data nor base64 nor JSON")?;
    Ok(Source { data, particle_id: None })
}

fn in_json(line: &Value, which: Option<Which>) -> Result<Source> {
    let input = line.get("input").unwrap_or(line);
    let outcome = line.get("outcome").unwrap_or(line);
    let places = [
        (Which::Outcome, &outcome["data"]),
        (Which::Current, &input["data"]),
        (Which::Previous, &input["prev_data"]),
    ];
    let found = places
        .iter()
        .filter(|(place, _)| which.is_none_or(|which| which == *place))
        .find_map(|(_, value)| value.as_str().filter(|data| !data.is_empty()))
        .context("there are no such data in this line")?;
    let data = STANDARD.decode(found).context("the data are not base64")?;
    ensure!(!data.is_empty(), "the data are empty");
    let particle_id = input["params"]["particle_id"].as_str().map(str::to_owned);
    Ok(Source { data, particle_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_found_raw_in_base64_and_in_json() {
        let source = |data: &[u8], id: Option<&str>| Source {
            data: data.to_vec(),
            particle_id: id.map(str::to_owned),
        };
        assert_eq!(find(b"\x83\xa7", 1, None).unwrap(), source(b"\x83\xa7", None));
        assert_eq!(find(b" AQID\n", 1, None).unwrap(), source(&[1, 2, 3], None));
        let vector = br#"{"input":{"data":"Ag==","prev_data":"Aw==","params":{"particle_id":"p"}},"outcome":{"data":"AQ=="}}"#;
        for (which, byte) in [
            (None, 1),
            (Some(Which::Outcome), 1),
            (Some(Which::Current), 2),
            (Some(Which::Previous), 3),
        ] {
            assert_eq!(find(vector, 1, which).unwrap(), source(&[byte], Some("p")));
        }
        let lines = b"{\"data\":\"AQ==\"}\n\n{\"prev_data\":\"Ag==\"}";
        assert_eq!(find(lines, 2, None).unwrap(), source(&[2], None));
    }

    #[test]
    fn what_is_no_data_is_told() {
        for (file, line, message) in [
            (&b"(null)"[..], 1, "neither particle data nor base64 nor JSON"),
            (b"{}", 1, "there are no such data in this line"),
            (b"{}", 2, "there is no such line"),
            (b"{", 1, "the line is not JSON"),
        ] {
            assert_eq!(find(file, line, None).unwrap_err().to_string(), message);
        }
    }
}
