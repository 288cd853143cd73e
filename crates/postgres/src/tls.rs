//! TLS to the server, with libpq's notions of what is verified.

use std::{path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    connection_string::{TlsSettings, Verify},
    settings::SettingsError,
};

/// A connector for these settings. Whether it is used at all is the driver's `sslmode`.
pub(crate) fn connector(settings: &TlsSettings) -> Result<MakeRustlsConnect, SettingsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?;
    let builder = match settings.verify {
        Verify::Full => builder.with_root_certificates(roots(settings.roots.as_deref())?),
        Verify::Nothing => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Lenient { authority: None, provider })),
        Verify::Authority => {
            let roots = Arc::new(roots(settings.roots.as_deref())?);
            let authority =
                WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Lenient {
                authority: Some(authority.map_err(tls_error)?),
                provider,
            }))
        }
    };
    let mut config = match &settings.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificates = read_certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| SettingsError::Tls(format!("{}: {error}", key.display())))?;
            builder.with_client_auth_cert(certificates, key).map_err(tls_error)?
        }
    };
    if settings.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

fn tls_error(error: impl std::fmt::Display) -> SettingsError {
    SettingsError::Tls(error.to_string())
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let named = |error| SettingsError::Tls(format!("{}: {error}", path.display()));
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(named)?
        .collect::<Result<_, _>>()
        .map_err(named)?;
    if certificates.is_empty() {
        return Err(SettingsError::Tls(format!("{} holds no certificate", path.display())));
    }
    Ok(certificates)
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, SettingsError> {
    let mut store = RootCertStore::empty();
    match file {
        Some(path) => {
            for certificate in read_certificates(path)? {
                store.add(certificate).map_err(tls_error)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
            if store.is_empty() {
                return Err(SettingsError::Tls(
                    "the operating system has no trusted certificates; name a file with \
                     sslrootcert"
                        .into(),
                ));
            }
        }
    }
    Ok(store)
}

/// Checks the authority but not the host's name (`verify-ca`), or nothing (`require`).
#[derive(Debug)]
struct Lenient {
    authority: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authority) = &self.authority else {
            return Ok(ServerCertVerified::assertion());
        };
        match authority.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            // The name is the last thing that is checked, after the chain.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
