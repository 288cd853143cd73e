//! TLS towards brokers.

use std::{path::Path, sync::Arc};

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::{config::TlsConfig, error::StartError};

/// Trusts the machine's certificate authorities and those of the settings.
///
/// # Errors
/// A file cannot be read, or has no certificate or key in it.
pub(super) async fn client_config(tls: Option<&TlsConfig>) -> Result<ClientConfig, StartError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate authority of this machine cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    if let Some(path) = tls.and_then(|tls| tls.ca.as_deref()) {
        for certificate in certificates("events.tls.ca", path).await? {
            roots.add(certificate).map_err(|error| file("events.tls.ca", error))?;
        }
    }
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let pair = tls.and_then(|tls| Some((tls.cert.as_deref()?, tls.key.as_deref()?)));
    let Some((cert, key)) = pair else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates("events.tls.cert", cert).await?;
    let key = read("events.tls.key", key).await?;
    // The error could quote the key.
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| file("events.tls.key", "there is no private key in the file"))?;
    Ok(builder.with_client_auth_cert(chain, key)?)
}

async fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let pem = read(setting, path).await?;
    let all = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| file(setting, error))?;
    if all.is_empty() {
        return Err(file(setting, "there is no certificate in the file"));
    }
    Ok(all)
}

async fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, StartError> {
    tokio::fs::read(path)
        .await
        .map_err(|error| file(setting, format!("{}: {error}", path.display())))
}

/// An error of a file that a setting names.
pub(super) fn file(setting: &'static str, problem: impl ToString) -> StartError {
    StartError::File { setting, problem: problem.to_string() }
}
