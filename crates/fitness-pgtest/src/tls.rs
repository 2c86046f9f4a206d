//! A certificate authority for tests.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority that no system trusts.
pub struct CertificateAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its private key, in PEM format.
#[derive(Clone)]
pub struct CertifiedKey {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Default for CertificateAuthority {
    fn default() -> Self {
        Self::new()
    }
}

impl CertificateAuthority {
    /// Creates an authority with a new key.
    ///
    /// # Panics
    ///
    /// If the system provides no random numbers.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("an empty list of names is valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "ldk-fitness test authority");
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let pem = issuer.pem();
        Self { issuer, pem }
    }

    /// Returns the authority's own certificate, in PEM format: the root for clients and servers to trust.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.pem
    }

    /// Issues a certificate for a server with these names, which are host names or addresses.
    ///
    /// # Panics
    ///
    /// If a name is neither a host name nor an address.
    #[must_use]
    pub fn issue_server_certificate(&self, names: &[&str]) -> CertifiedKey {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("host names or addresses");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// Issues a certificate for a client that connects as the database user `user`.
    ///
    /// # Panics
    ///
    /// If the system provides no random numbers.
    #[must_use]
    pub fn issue_client_certificate(&self, user: &str) -> CertifiedKey {
        let mut params = CertificateParams::new(Vec::new()).expect("an empty list of names is valid");
        params.distinguished_name.push(DnType::CommonName, user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> CertifiedKey {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        CertifiedKey { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}
