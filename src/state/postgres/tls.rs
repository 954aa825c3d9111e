//! TLS to the database: the server's certificate and name are always verified.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Trusts the certificates in `root_cert` (PEM), or without it those that this machine trusts.
pub(super) fn connector(root_cert: Option<&[u8]>) -> Result<MakeRustlsConnect, String> {
    let config = match root_cert {
        Some(pem) => trusting(pem)?,
        None => ClientConfig::with_platform_verifier().map_err(|error| error.to_string())?,
    };
    Ok(MakeRustlsConnect::new(config))
}

fn trusting(pem: &[u8]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "it is no certificate in PEM".to_owned())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate in PEM".to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
