//! Content digests.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::ReferenceError;

/// A content digest: one of the algorithms that the kubelet registers, and a hash of its
/// length. `Display` gives `algorithm:hex`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(Hash);

/// The bytes, not their text: caches hold some 100,000 digests.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Hash {
    /// In place, since nearly every digest is of this kind.
    Sha256([u8; 32]),
    Sha384(Arc<[u8; 48]>),
    Sha512(Arc<[u8; 64]>),
}

impl Digest {
    /// A digest of an algorithm's name and a hash.
    ///
    /// # Errors
    /// When the algorithm is not known or its hashes have another length.
    pub fn new(algorithm: &str, hash: &[u8]) -> Result<Self, ReferenceError> {
        let made = match algorithm {
            "sha256" => hash.try_into().map(Hash::Sha256),
            "sha384" => hash.try_into().map(|hash| Hash::Sha384(Arc::new(hash))),
            "sha512" => hash.try_into().map(|hash| Hash::Sha512(Arc::new(hash))),
            _ => {
                return Err(ReferenceError::Invalid(
                    "the digest's algorithm is not supported",
                ));
            }
        };
        made.map(Self).map_err(|_| WRONG_LENGTH)
    }

    /// The algorithm's name, such as `sha256`.
    pub fn algorithm(&self) -> &'static str {
        match self.0 {
            Hash::Sha256(_) => "sha256",
            Hash::Sha384(_) => "sha384",
            Hash::Sha512(_) => "sha512",
        }
    }

    /// The hash: 32, 48 or 64 bytes.
    pub fn hash(&self) -> &[u8] {
        match &self.0 {
            Hash::Sha256(hash) => hash,
            Hash::Sha384(hash) => &**hash,
            Hash::Sha512(hash) => &**hash,
        }
    }
}

const WRONG_LENGTH: ReferenceError = ReferenceError::Invalid("the digest has the wrong length");

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.algorithm())?;
        let hash = self.hash().iter();
        hash.into_iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Digest {
    type Err = ReferenceError;

    /// Reads `algorithm:hex`, strictly.
    ///
    /// Source: <https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests>;
    /// the algorithms are those that the kubelet registers.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let Some((algorithm, hex)) = text.split_once(':') else {
            return Err(ReferenceError::Invalid("the digest is not algorithm:hex"));
        };
        let mut room = [0; 64];
        let Some(hash) = room.get_mut(..hex.len() / 2) else {
            return Err(Self::new(algorithm, &[]).err().unwrap_or(WRONG_LENGTH));
        };
        // The length is wrong before the letters are.
        Self::new(algorithm, hash)?;
        if hex.len() % 2 == 1 {
            return Err(WRONG_LENGTH);
        }
        for (byte, pair) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(digit);
            let (Some(high), Some(low)) = (high, low) else {
                return Err(ReferenceError::Invalid("the digest is not lower-case hex"));
            };
            *byte = high << 4 | low;
        }
        Self::new(algorithm, hash)
    }
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_reads_as_it_is_printed_and_has_its_length() {
        for (algorithm, length) in [("sha256", 32), ("sha384", 48), ("sha512", 64)] {
            let hash: Vec<u8> = (0..length).map(|byte| byte * 3 + 7).collect();
            let digest = Digest::new(algorithm, &hash).unwrap();
            assert_eq!(digest.to_string().parse(), Ok(digest.clone()));
            assert_eq!((digest.algorithm(), digest.hash()), (algorithm, &*hash));
            assert!(
                digest
                    .to_string()
                    .starts_with(&format!("{algorithm}:070a0d10"))
            );
            for other in [0, 31, 33, 65] {
                let text = format!("{algorithm}:{}", "0".repeat(2 * other));
                assert_eq!(text.parse::<Digest>(), Err(WRONG_LENGTH), "{text}");
            }
            let odd = format!("{digest}0");
            assert_eq!(odd.parse::<Digest>(), Err(WRONG_LENGTH), "{odd}");
        }
    }
}
