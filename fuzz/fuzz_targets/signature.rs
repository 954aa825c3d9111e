//! Any header over any body: believed only if it is the signature of these bytes.
#![no_main]

use goodays_salesforce::goodays::signature::{sign, verify};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;

fuzz_target!(|input: (&[u8], &[u8], usize)| {
    let (header, body, place) = input;
    let secrets: [SecretString; 3] = ["old".into(), "".into(), "new".into()];
    let signatures = secrets.each_ref().map(|secret| sign(body, secret));
    let [old, empty, new] = signatures.each_ref().map(|s| s.as_bytes());
    let given = header.trim_ascii().to_ascii_lowercase();
    assert_eq!(verify(body, Some(header), &secrets).is_ok(), given == old || given == new);
    for good in [old, new] {
        assert_eq!(verify(body, Some(good), &secrets).expect("signed").bytes(), body);
    }
    assert!(verify(body, Some(empty), &secrets).is_err(), "anybody can sign with an empty secret");
    if !body.is_empty() {
        let mut tampered = body.to_vec();
        tampered[place % body.len()] ^= 1;
        assert!(verify(&tampered, Some(new), &secrets).is_err());
    }
});
