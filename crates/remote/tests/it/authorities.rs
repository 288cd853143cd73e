//! Certificate authorities of one service.

use std::sync::Arc;

use artesian_remote::{
    Credentials, RemoteError, Transport, Upstream, UpstreamConfig,
    dial::{CaError, Network},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{peer::Peer, query};

const GOOD: &str = r#"{"data":{"n":1}}"#;

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A service with a certificate by this authority; gives its port.
async fn serve(authority: &CertifiedIssuer<'static, KeyPair>) -> u16 {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut peer = Peer::new(stream);
            tokio::spawn(async move {
                while peer.try_request().await.is_some() {
                    peer.respond(200, "application/json", GOOD).await;
                }
            });
        }
    });
    port
}

async fn ask(port: u16, network: Network) -> Result<(), RemoteError> {
    let url = format!("https://localhost:{port}/graphql").parse().unwrap();
    let mut config = UpstreamConfig { transport: Transport::None, ..UpstreamConfig::new(url) };
    config.retry.attempts = 0;
    let client = Upstream::new(config, Arc::new(network));
    let response = client.request(&query("{ n }"), &Credentials::none()).await?;
    assert_eq!(response.text, GOOD);
    Ok(())
}

#[tokio::test]
async fn each_service_has_its_own() {
    let (one, two) = (authority("one"), authority("two"));
    let (first, second) = (serve(&one).await, serve(&two).await);
    let only_one = || Network::with_ca(one.pem().as_bytes()).unwrap();
    assert_eq!(ask(first, only_one()).await, Ok(()));
    for (port, network) in [(first, Network::new().unwrap()), (second, only_one())] {
        let error = ask(port, network).await.unwrap_err();
        let RemoteError::Unreachable(text) = &error else { panic!("{error:?}") };
        assert!(text.contains("UnknownIssuer"), "{text}");
    }
    // A file with several, and with words between them.
    let both = format!("one:\n{}\ntwo:\n{}\n", one.pem(), two.pem());
    for port in [first, second] {
        assert_eq!(ask(port, Network::with_ca(both.as_bytes()).unwrap()).await, Ok(()));
    }
}

#[test]
fn files_that_are_none() {
    let pem = authority("one").pem();
    let key = KeyPair::generate().unwrap().serialize_pem();
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = &pem[..pem.len() - 30];
    for (text, expected) in [
        (String::new(), CaError::Empty),
        ("secret".to_owned(), CaError::Empty),
        (key, CaError::Empty),
        (junk.to_owned(), CaError::Malformed(1)),
        (format!("{pem}{junk}"), CaError::Malformed(2)),
        (cut.to_owned(), CaError::Malformed(1)),
        (pem.replacen("MII", "!!!", 1), CaError::Malformed(1)),
    ] {
        let error = Network::with_ca(text.as_bytes()).err();
        assert_eq!(error, Some(expected), "{text}");
    }
}
