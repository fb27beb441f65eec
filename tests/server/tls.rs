//! Versions of TLS, and sessions that are resumed.

use std::sync::Arc;

use rustls::{HandshakeKind, ProtocolVersion, version};

use crate::client::Client;
use crate::fixture::echoing;

#[test]
fn both_versions_are_spoken_and_sessions_resumed() {
    let server = echoing();
    for (offered, spoken) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let config = Arc::new(server.trust.config(&[offered]));
        for handshake in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut client = Client::connect(server.webhook(), &config).unwrap();
            // The ticket comes with the first answer at the latest.
            assert_eq!(client.post("/enforce", b"{}").unwrap().status, 200);
            assert_eq!(client.tls(), (Some(spoken), Some(handshake)));
        }
    }
    server.stop();
}
