//! Signing keys of the cluster: made once, sealed, replicated.

use crate::secret::Sealed;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// A row of the signing keys table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SigningKey {
    /// RFC 7638 thumbprint of the public key.
    #[n(0)]
    pub kid: String,
    /// JWA name of the algorithm: `RS256`.
    #[n(1)]
    pub algorithm: String,
    /// The public key as DER (SubjectPublicKeyInfo).
    #[cbor(n(2), with = "minicbor::bytes")]
    pub public_der: Vec<u8>,
    /// The private key (PKCS #8), sealed.
    #[n(3)]
    pub private: Sealed,
    /// When it was installed.
    #[n(4)]
    pub installed_at: Timestamp,
}
