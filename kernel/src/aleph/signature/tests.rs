use alloc::format;
use alloc::string::{String, ToString};

use air_core::value::Value;
use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::aleph::item_hash::{ItemHash, lower_hex};

const ETH_SENDER: &str = "0x5D86f5cFcd9e90283a82c214162e2d4C5CFda5c7";
const ETH_SIGNATURE: &str = "0xbe1be01c4ec02599cbfa3b9b173542ff4711aacc864036e06fa445fecd24be017f679f7a1a76c1fc6eb12d6b33b04e106eb99da777b039048fc699eeddf3cc541c";
const SOL_SENDER: &str = "3rXSFeWtAqjHxB61C3uRF5JnGbYZzgN89XYWQb9mNYm9";
const SOL_SIGNATURE: &str =
    "2mfmcRu3YhCfpdQuvAFyLA8nQTWJcYFT4b1mHrDSuZEkddwn3dXw1p1rG177A3sFH9ZKfEzobLxD71jTicc9dYBb";

fn post(chain: &str, sender: &str, signature: &str) -> Message {
    let content = format!(
        r#"{{"address":"{sender}","time":1700000000.5,"type":"calculation","content":{{"k":"v"}}}}"#
    );
    let hash = ItemHash::of(content.as_bytes());
    let inline = Value::from(content.as_str());
    let signature = Value::from(signature);
    Message::parse(&format!(
        r#"{{"chain":"{chain}","sender":"{sender}","type":"POST","signature":{signature},"time":1700000000.6,"item_type":"inline","item_content":{inline},"item_hash":"{hash}","content":{content}}}"#
    ))
    .unwrap()
}

fn solana(key: &str, signature: &str) -> String {
    format!(r#"{{"publicKey":"{key}","signature":"{signature}"}}"#)
}

#[test]
fn a_worked_example_of_ethereum_is_verified() {
    let message = post("ETH", ETH_SENDER, ETH_SIGNATURE);
    assert_eq!(
        message.item_hash().as_str(),
        "84357f8c9775dd6f79a2f0377057f44caad11259559bee69dc65c86c93964edf"
    );
    let digest = ethereum::digest(message.signed_text().as_bytes());
    assert_eq!(
        lower_hex(&digest),
        "cb62a01cb6473dafd938fb6bc8f9ef9d975786806d1744d6386f19399ccd2c5d"
    );
    assert_eq!(verify(&message), Ok(()));
}

#[test]
fn the_sender_may_be_written_in_any_case() {
    for sender in [ETH_SENDER.to_lowercase(), ETH_SENDER.to_uppercase().replacen('X', "x", 1)] {
        let recovered =
            recover(post("ETH", ETH_SENDER, ETH_SIGNATURE).signed_text().as_bytes(), ETH_SIGNATURE);
        assert_eq!(recovered.ok(), Address::parse(&sender));
    }
}

#[test]
fn the_other_s_and_other_spellings_of_v_recover_the_same_address() {
    let message = post("ETH", ETH_SENDER, ETH_SIGNATURE);
    let plain = ETH_SIGNATURE.strip_prefix("0x").unwrap();
    assert_eq!(verify(&post("ETH", ETH_SENDER, plain)), Ok(()));
    assert_eq!(verify(&post("ETH", ETH_SENDER, &plain.replace("541c", "5401"))), Ok(()));
    // The order of the group minus s, and the other parity.
    let r = plain.get(..64).unwrap();
    let other_s = "80986085e5893e03914ed294cc4fb1ee4bf53f3f37986737300bc49df24274ed";
    let other = format!("0x{r}{other_s}1b");
    let recovered = recover(message.signed_text().as_bytes(), &other).unwrap();
    assert_eq!(Some(recovered), Address::parse(ETH_SENDER));
}

#[test]
fn what_another_key_or_nobody_signed_is_refused() {
    let with = |chain: &str, sender: &str, signature: &str| verify(&post(chain, sender, signature));
    let other = "0x0000000000000000000000000000000000000001";
    assert_eq!(with("ETH", other, ETH_SIGNATURE), Err(SignatureError::NotTheSenders));
    // The chain is signed too.
    assert_eq!(with("BASE", ETH_SENDER, ETH_SIGNATURE), Err(SignatureError::NotTheSenders));
    assert_eq!(with("ETH", "somebody", ETH_SIGNATURE), Err(SignatureError::BadSender));
    assert_eq!(with("ETH", ETH_SENDER, "0x00"), Err(SignatureError::Malformed));
    assert_eq!(with("ETH", ETH_SENDER, &"0".repeat(130)), Err(SignatureError::Malformed));
    assert_eq!(
        with("ETH", ETH_SENDER, &ETH_SIGNATURE.replace("541c", "541d")),
        Err(SignatureError::Malformed)
    );
    assert_eq!(with("DOT", ETH_SENDER, ETH_SIGNATURE), Err(SignatureError::NotVerifiable));
    assert_eq!(with("AURORA", ETH_SENDER, ETH_SIGNATURE), Err(SignatureError::NotVerifiable));
}

#[test]
fn a_message_without_a_signature_is_told_apart() {
    let text = Value::Object(post("ETH", ETH_SENDER, "").envelope().clone().into());
    let text = text.to_json().replace(r#""signature":"""#, r#""signature":null"#);
    assert_eq!(verify(&Message::parse(&text).unwrap()), Err(SignatureError::Missing));
}

#[test]
fn a_worked_example_of_solana_is_verified() {
    let message = post("SOL", SOL_SENDER, &solana(SOL_SENDER, SOL_SIGNATURE));
    assert_eq!(
        message.item_hash().as_str(),
        "2f35aeba580270359e486f789f0442d7c5e302131890d692b24d0334444bc74e"
    );
    assert_eq!(verify(&message), Ok(()));
    let versioned = |version: &str| {
        solana(SOL_SENDER, SOL_SIGNATURE).replacen('{', &format!(r#"{{"version":{version},"#), 1)
    };
    assert_eq!(verify(&post("SOL", SOL_SENDER, &versioned("1"))), Ok(()));
    assert_eq!(verify(&post("SOL", SOL_SENDER, &versioned("2"))), Err(SignatureError::Malformed));
    assert_eq!(
        verify(&post("ES", SOL_SENDER, &solana(SOL_SENDER, SOL_SIGNATURE))),
        Err(SignatureError::NotTheSenders)
    );
}

#[test]
fn solana_signatures_of_other_keys_and_forms_are_refused() {
    let key = SigningKey::from_bytes(&Sha256::digest(b"another key").into());
    let other = bs58::encode(key.verifying_key().as_bytes()).into_string();
    let unsigned = post("SOL", SOL_SENDER, "");
    let made = bs58::encode(key.sign(unsigned.signed_text().as_bytes()).to_bytes()).into_string();
    let with = |signature: &str| verify(&post("SOL", SOL_SENDER, signature));
    assert_eq!(with(&solana(&other, &made)), Err(SignatureError::NotTheSenders));
    assert_eq!(with(&solana(SOL_SENDER, &made)), Err(SignatureError::NotTheSenders));
    assert_eq!(with(SOL_SIGNATURE), Err(SignatureError::Malformed));
    assert_eq!(with("{}"), Err(SignatureError::Malformed));
    assert_eq!(with(&solana(SOL_SENDER, "0OIl")), Err(SignatureError::Malformed));
    let long = solana(SOL_SENDER, &"1".repeat(2000));
    assert_eq!(with(&long), Err(SignatureError::Malformed));
    let message = post("SOL", "not base58!", &solana(SOL_SENDER, SOL_SIGNATURE));
    assert_eq!(verify(&message), Err(SignatureError::BadSender));
}

#[test]
fn every_reason_has_words() {
    for error in [
        SignatureError::Missing,
        SignatureError::NotVerifiable,
        SignatureError::Malformed,
        SignatureError::BadSender,
        SignatureError::NotTheSenders,
    ] {
        assert!(!error.to_string().is_empty());
    }
}

proptest! {
    #[test]
    fn any_signature_is_refused_without_a_panic(signature in "(0x)?[0-9a-f]{128}(00|01|1b|1c)|.{0,40}") {
        for (chain, sender) in [("ETH", ETH_SENDER), ("SOL", SOL_SENDER)] {
            prop_assert!(verify(&post(chain, sender, &signature)).is_err());
        }
    }

    #[test]
    fn what_a_key_signs_is_verified(seed in any::<[u8; 32]>()) {
        let key = SigningKey::from_bytes(&seed);
        let sender = bs58::encode(key.verifying_key().as_bytes()).into_string();
        let unsigned = post("SOL", &sender, "");
        let made = bs58::encode(key.sign(unsigned.signed_text().as_bytes()).to_bytes()).into_string();
        prop_assert_eq!(verify(&post("SOL", &sender, &solana(&sender, &made))), Ok(()));
    }
}
