//! A webhook's signature: hex HMAC-SHA256 of the exact bytes of the body (Goodays reference, 2.1 and 5.1).

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The header with the signature.
pub const HEADER: &str = "x-hmac-sha256";

/// A body whose signature was verified, or whose verification is switched off.
#[derive(Debug, Clone, Copy)]
pub struct Verified<'a>(&'a [u8]);

impl<'a> Verified<'a> {
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    #[error("the signature is missing")]
    Missing,
    #[error("the signature is not 64 hex digits")]
    Malformed,
    #[error("the signature is wrong")]
    Wrong,
}

/// Reads the signature header. This needs no body, so requests without a signature are refused before theirs is read.
pub fn given(header: Option<&[u8]>) -> Result<[u8; 32], SignatureProblem> {
    let header = header.map(<[u8]>::trim_ascii).filter(|h| !h.is_empty());
    let mut given = [0; 32];
    hex::decode_to_slice(header.ok_or(SignatureProblem::Missing)?, &mut given)
        .map_err(|_| SignatureProblem::Malformed)?;
    Ok(given)
}

/// Accepts the body if any secret matches. All secrets are tried, in constant time.
pub fn verify<'a>(
    body: &'a [u8],
    header: Option<&[u8]>,
    secrets: &[SecretString],
) -> Result<Verified<'a>, SignatureProblem> {
    let given = given(header)?;
    let made = |secret: &SecretString| {
        // Anyone can sign with an empty secret.
        !secret.expose_secret().is_empty() && mac(body, secret).verify_slice(&given).is_ok()
    };
    if secrets.iter().fold(false, |found, secret| made(secret) | found) {
        Ok(Verified(body))
    } else {
        Err(SignatureProblem::Wrong)
    }
}

/// Accepts a body without verification. Use it only for `signature: off`.
pub fn unsigned(body: &[u8]) -> Verified<'_> {
    Verified(body)
}

/// The signature that Goodays would send, for simulators and tests.
pub fn sign(body: &[u8], secret: &SecretString) -> String {
    hex::encode(mac(body, secret).finalize().into_bytes())
}

fn mac(body: &[u8], secret: &SecretString) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    mac.expect("HMAC takes keys of any length").chain_update(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    const SIGNATURE: &str = "bcf95bdaa6dae4e97a44eb8d65273d3c5459f9a258b68c26f10d6cc69b359b51";

    /// The example of Goodays' documentation, in base64 because its line ends matter.
    fn body() -> Vec<u8> {
        let base64 = "ew0KICAgICJldmVudF90eXBlIjogInJlc3BvbnNlIg0KfQ==";
        base64::engine::general_purpose::STANDARD.decode(base64).unwrap()
    }

    fn check(header: Option<&str>, secrets: &[&str]) -> Result<(), SignatureProblem> {
        let secrets: Vec<SecretString> = secrets.iter().map(|s| SecretString::from(*s)).collect();
        verify(&body(), header.map(str::as_bytes), &secrets).map(|_| ())
    }

    #[test]
    fn the_pages_own_vector_verifies() {
        assert_eq!(sign(&body(), &"Critizr".into()), SIGNATURE);
        assert_eq!(check(Some(SIGNATURE), &["Critizr"]), Ok(()));
    }

    type Row<'a> = (Option<&'a str>, &'a [&'a str], Result<(), SignatureProblem>);

    #[test]
    fn what_is_believed() {
        let upper = SIGNATURE.to_uppercase();
        let spaced = format!(" {SIGNATURE}\t");
        let prefixed = format!("sha256={SIGNATURE}");
        let table: [Row<'_>; 9] = [
            (Some(&upper), &["Critizr"], Ok(())),
            (Some(&spaced), &["Critizr"], Ok(())),
            (Some(SIGNATURE), &["new", "Critizr"], Ok(())),
            (Some(SIGNATURE), &["Goodays"], Err(SignatureProblem::Wrong)),
            (Some(SIGNATURE), &[], Err(SignatureProblem::Wrong)),
            (None, &["Critizr"], Err(SignatureProblem::Missing)),
            (Some(""), &["Critizr"], Err(SignatureProblem::Missing)),
            (Some(&SIGNATURE[2..]), &["Critizr"], Err(SignatureProblem::Malformed)),
            (Some(&prefixed), &["Critizr"], Err(SignatureProblem::Malformed)),
        ];
        for (header, secrets, expected) in table {
            assert_eq!(check(header, secrets), expected, "{header:?} {secrets:?}");
        }
    }

    #[test]
    fn an_empty_secret_believes_nothing() {
        let signed = sign(&body(), &"".into());
        assert_eq!(check(Some(&signed), &[""]), Err(SignatureProblem::Wrong));
    }
}
