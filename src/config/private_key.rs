//! Checks of a private key. Salesforce accepts only RSA keys, and a daemon cannot ask for a passphrase.

use base64::Engine as _;

const MAKE_ONE: &str = "make an RSA key: openssl req -x509 -newkey rsa:2048 -nodes -days 730 -subj /CN=goodays -keyout salesforce.key -out salesforce.crt";
const UNLOCK: &str =
    "take the passphrase off (openssl pkey -in OLD -out NEW), and let only this program read the file";

/// Algorithm ids in a PKCS #8 header (RFC 5958), in DER.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OTHERS: [(&[u8], &str); 4] = [
    (&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], "is an EC key, not an RSA key"),
    (&[0x06, 0x03, 0x2b, 0x65], "is an Ed25519 or Ed448 key, not an RSA key"),
    (
        &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a],
        "is an RSA-PSS key, not a plain RSA key",
    ),
    (&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], "is a DSA key, not an RSA key"),
];

/// Why this key cannot be used, and what to do. The texts contain nothing of the key.
pub fn problem(pem: &str) -> Option<(&'static str, &'static str)> {
    let has = |label: &str| pem.contains(&format!("-----BEGIN {label}-----"));
    if has("ENCRYPTED PRIVATE KEY") || (pem.contains("Proc-Type:") && pem.contains("ENCRYPTED")) {
        Some(("is encrypted with a passphrase", UNLOCK))
    } else if has("EC PRIVATE KEY") {
        Some(("is an EC key, not an RSA key", MAKE_ONE))
    } else if has("DSA PRIVATE KEY") {
        Some(("is a DSA key, not an RSA key", MAKE_ONE))
    } else if has("OPENSSH PRIVATE KEY") {
        Some(("is a key for SSH, not an RSA key in PEM", MAKE_ONE))
    } else if has("PRIVATE KEY") {
        other_kind(pem).map(|what| (what, MAKE_ONE))
    } else if has("RSA PRIVATE KEY") {
        None
    } else if has("CERTIFICATE") || has("PUBLIC KEY") {
        Some((
            "holds no private key, only the part that Salesforce gets",
            "name the file that begins with `-----BEGIN PRIVATE KEY-----`",
        ))
    } else {
        Some((
            "holds no private key",
            "it must be PEM: `-----BEGIN PRIVATE KEY-----` and so on, not the certificate",
        ))
    }
}

/// The kind of key if it is not RSA. The algorithm id is near the start of the key's bytes.
fn other_kind(pem: &str) -> Option<&'static str> {
    let body = pem.split_once("-----BEGIN PRIVATE KEY-----")?.1.split("-----END").next()?;
    let letters: String = body.chars().filter(|c| !c.is_whitespace()).take(64).collect();
    let whole = letters.len() / 4 * 4;
    let bytes = base64::engine::general_purpose::STANDARD.decode(&letters[..whole]).ok()?;
    let holds = |id: &[u8]| bytes.windows(id.len()).any(|window| window == id);
    if holds(RSA) {
        return None;
    }
    OTHERS.iter().find(|(id, _)| holds(id)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made for this test and truncated: `openssl genpkey` with -algorithm EC and ed25519.
    const EC: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n";
    const ED25519: &str =
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";

    #[test]
    fn e04_keys_that_salesforce_does_not_take_are_told_apart() {
        let label = |label: &str| format!("-----BEGIN {label}-----\nx\n-----END {label}-----\n");
        let legacy =
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nx\n";
        let cases = [
            (EC.to_owned(), "EC key"),
            (ED25519.to_owned(), "Ed25519"),
            (label("EC PRIVATE KEY"), "EC key"),
            (label("ENCRYPTED PRIVATE KEY"), "passphrase"),
            (legacy.to_owned(), "passphrase"),
            (label("OPENSSH PRIVATE KEY"), "SSH"),
            (label("CERTIFICATE"), "no private key"),
            (label("PUBLIC KEY"), "no private key"),
            ("hunter2".to_owned(), "no private key"),
        ];
        for (pem, word) in cases {
            let (what, _) = problem(&pem).unwrap_or_else(|| panic!("nothing is said of {pem}"));
            assert!(what.contains(word), "{what}");
        }
        let rsa = include_str!("../../tests/fixtures/salesforce/jwt_private_for_tests.pem");
        assert_eq!(problem(rsa), None);
    }
}
